"""The Lightning module: losses, optimiser and logging for networks trained side by side."""

from __future__ import annotations

from typing import Any

import lightning
import torch
import torch.nn.functional as F
from monai.losses import DiceLoss
from torch import Tensor, nn

from nodulerisk.networks.build import build_network
from nodulerisk.networks.kinds import recipe_of
from nodulerisk.networks.layers import Network, initialise
from nodulerisk.train.epoch_figures import EpochFigures
from nodulerisk.train.plans.runs import Run, mode_of
from nodulerisk.train.rates import freeze, parameter_groups, with_l2
from nodulerisk.train.samples import Sample

PLATEAU_GAIN = 1e-5  # a smaller improvement of the monitored figure is none
ADAM_EPSILON = 1e-7  # Keras's


def network_of(run: Run, name: str) -> Network:
    """Returns a network of the run as it is before training."""
    plan = run.networks[name]
    network = build_network(plan.kind, input_size=run.size, n_classes=run.heads, **recipe_of(plan))
    if run.initialisation != "he":  # which it has
        initialise(network, run.initialisation)
    return network


class NetworksInTraining(lightning.LightningModule):
    """The networks of a run. Their losses are summed, which trains each one independently."""

    def __init__(self, run: Run, seed: int):
        super().__init__()
        torch.manual_seed(seed)
        self.run, self.seed = run, seed
        self.networks = nn.ModuleDict({name: network_of(run, name) for name in run.networks})
        self.networks.train()
        self._freeze()
        self.networks.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # twice as fast on CPUs
        tasks = [run.table[task] for task in run.tasks]
        self._counted = {
            (stage, name): EpochFigures(tasks, run.networks[name].draws_mask)
            for stage in ("", "val_")
            for name in run.networks
        }
        # the published loss, plus 1
        self._dice_loss = DiceLoss(
            sigmoid=True, batch=run.dice_over == "batch", smooth_nr=1.0, smooth_dr=1.0
        )

    def on_train_epoch_start(self) -> None:
        # dropout continues unchanged after a restart
        torch.manual_seed(self.seed * 1000 + self.current_epoch)
        self._freeze()

    def _freeze(self) -> None:
        for name, network in self._each():
            freeze(network, self.run.networks[name].rates)

    def training_step(self, batch: Sample) -> Tensor:
        losses = [self._judged("", name, network, batch) for name, network in self._each()]
        return torch.stack(losses).sum()

    def validation_step(self, batch: Sample) -> None:
        for name, network in self._each():
            self._judged("val_", name, network, batch)

    def on_train_epoch_end(self) -> None:
        self._log_counted("")

    def on_validation_epoch_end(self) -> None:
        """Logs the mean over the networks, for the checkpoint and the schedule."""
        self._log_counted("val_")
        logged = self.trainer.callback_metrics
        for figure in ("loss", "accuracy", "dice"):
            values = [value for key, value in logged.items() if key.startswith(f"val_{figure}/")]
            if values:
                self.log(f"val_{figure}", torch.stack(values).mean(), sync_dist=True, prog_bar=True)

    def configure_optimizers(self) -> Any:
        run = self.run
        groups = parameter_groups(
            ((network, run.networks[name].rates) for name, network in self._each()),
            run.learning_rate,
        )
        optimiser: torch.optim.Optimizer
        if run.optimiser == "adamw":
            optimiser = torch.optim.AdamW(groups, weight_decay=run.weight_decay)
        else:
            optimiser = torch.optim.Adam(with_l2(groups, run.weight_decay), eps=ADAM_EPSILON)
        if run.schedule == "constant":
            return optimiser
        if run.schedule == "one-cycle":
            steps = int(self.trainer.estimated_stepping_batches)
            highest = [group["lr"] for group in groups]
            cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, highest, total_steps=steps)
            return {
                "optimizer": optimiser,
                "lr_scheduler": {"scheduler": cycle, "interval": "step"},
            }
        monitor = run.schedule_monitor or run.monitor
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimiser,
            mode_of(monitor),
            run.factor,
            patience=max(run.patience - 1, 0),  # torch acts after one more, Keras does not
            cooldown=max(run.cooldown - 1, 0),  # Keras counts the last of them again
            threshold=PLATEAU_GAIN,
            threshold_mode="abs",
        )
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": plateau, "monitor": f"val_{monitor}"},
        }

    def configure_gradient_clipping(
        self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None
    ) -> None:
        for network in self.networks.values() if self.run.clip else ():
            # each on its own, as if trained alone
            nn.utils.clip_grad_norm_(network.parameters(), self.run.clip)

    def _each(self) -> list[tuple[str, Network]]:
        return list(self.networks.items())  # type: ignore[arg-type]

    def _log(self, values: dict[str, Tensor], count: int, sync: bool = True) -> None:
        self.log_dict(values, batch_size=count, on_step=False, on_epoch=True, sync_dist=sync)

    def _judged(self, stage: str, name: str, network: Network, batch: Sample) -> Tensor:
        """Returns the loss, and logs it beside the other figures."""
        answers = _answers(network, batch["cube"])
        loss = self._loss_of(*answers, batch)
        figures = self._figures(*answers, batch, self._counted[stage, name])
        count = len(batch["cube"])
        self._log({f"{stage}loss/{name}": loss}, count)
        # every process sees all of the validation, but only its own share of the training
        self._log({f"{stage}{k}/{name}": v for k, v in figures.items()}, count, bool(stage))
        return loss

    def _log_counted(self, stage: str) -> None:
        for name in self.networks:
            found = self._counted[stage, name].figures()
            self.log_dict({f"{stage}{key}/{name}": value for key, value in found.items()})

    def _loss_of(self, logits: Tensor, mask: Tensor | None, batch: Sample) -> Tensor:
        loss = torch.stack(
            [self._task_loss(*parts) for parts in self._by_task(logits, batch["targets"])]
        ).sum()
        return loss if mask is None else loss + self._mask_loss(mask, batch["mask"])

    def _by_task(self, logits: Tensor, targets: Tensor):
        heads = self.run.heads
        return zip(
            self.run.tasks, logits.split(heads, dim=1), targets.split(heads, dim=1), strict=True
        )

    def _task_loss(self, task: str, logits: Tensor, targets: Tensor) -> Tensor:
        """Returns the cross-entropy over the samples whose class is known."""
        known = targets[:, 0].isfinite()
        loss = F.cross_entropy(logits, targets.nan_to_num(), reduction="none")[known]
        return self.run.task_weights.get(task, 1.0) * loss.sum() / max(len(loss), 1)

    def _mask_loss(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Returns the Dice loss and, if requested, the cross-entropy."""
        known = mask[:, 0, 0, 0, 0].isfinite()
        if not known.any():
            return 0.0 * logits.sum()
        logits, mask = logits[known], mask[known]
        loss = self.run.dice * self._dice_loss(logits, mask)
        if self.run.mask_cross_entropy:
            loss = loss + self.run.mask_cross_entropy * F.binary_cross_entropy_with_logits(
                logits, mask
            )
        return loss

    def _figures(
        self, logits: Tensor, mask: Tensor | None, batch: Sample, counted: EpochFigures
    ) -> dict[str, Tensor]:
        """Returns the accuracy over all tasks, and the mean Dice of the masks; counts both."""
        hits = []
        for task, answer, target in self._by_task(logits, batch["targets"]):
            known = target[:, 0].isfinite()
            answer, labels = answer[known], target[known].argmax(dim=1)
            hits.append((answer.argmax(dim=1) == labels).float())
            counted.add_classes(self.run.table[task], answer, labels)
        figures = {} if not len(torch.cat(hits)) else {"accuracy": torch.cat(hits).mean()}
        if mask is None:
            return figures
        drawn, marked = mask > 0, batch["mask"] >= 0.5
        known = batch["mask"][:, 0, 0, 0, 0].isfinite()
        counted.add_mask(drawn[known], marked[known])
        return figures | {"dice": _mean_dice(drawn, marked)}


def _answers(network: Network, cube: Tensor) -> tuple[Tensor, Tensor | None]:
    """Returns class logits and mask logits."""
    logits = network.logits(cube.contiguous(memory_format=torch.channels_last_3d))
    return logits if isinstance(logits, tuple) else (logits, None)


def _mean_dice(drawn: Tensor, marked: Tensor) -> Tensor:
    axes = (1, 2, 3, 4)
    dice = 2 * (drawn & marked).sum(axes) / (drawn.sum(axes) + marked.sum(axes)).clamp(min=1)
    return dice[marked.any(1).flatten(1).any(1)].mean().nan_to_num()
