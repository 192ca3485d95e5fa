"""The commands, the one-machine mode and the backtest: what needs more than one service."""
