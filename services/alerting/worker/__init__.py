"""The work of alerting: judging a partition's cells, and telling receivers."""

from services.alerting.worker.courier import Addressee, CourierParts, Knock, ReceiverCourier
from services.alerting.worker.desk import Desk
from services.alerting.worker.partition import AlertingLogic, Parts, delivery_of, event_of

__all__ = [
    "Addressee",
    "AlertingLogic",
    "CourierParts",
    "Desk",
    "Knock",
    "Parts",
    "ReceiverCourier",
    "delivery_of",
    "event_of",
]
