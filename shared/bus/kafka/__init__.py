"""The bus of a Kafka cluster. Only this package imports aiokafka, and importing its settings does not."""
