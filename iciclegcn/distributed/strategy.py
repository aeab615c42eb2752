"""Fabric's strategy for a run: one process a device, their gradients averaged."""

import logging

from lightning_fabric.strategies.ddp import DDPStrategy


class QuietDDPStrategy(DDPStrategy):
    """Connects the processes without announcing it; a run's stderr is for progress and warnings."""

    def setup_environment(self) -> None:
        """Connect this process with the others."""
        # Here, since every process that is started sets Fabric's level anew.
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
        super().setup_environment()
