"""The whole model in float64 NumPy, stages 2 to 8 in the order of the data flow.

Its kernels are in :mod:`dcnfast.reference`. Together they are what the engine must compute; the
letters are the same, with F categorical fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dcnfast.network import crosses
from dcnfast.network.branches import topology
from dcnfast.reference import (
    OPTIMIZERS,
    Array,
    Ids,
    average_update,
    clip_gradients,
    combine,
    combine_backward,
    training_loss,
    update_rows,
)
from dcnfast.reference.branch_loss import branch_backward, branch_logits, branch_loss
from dcnfast.reference.cross_part import cross_part, cross_part_backward
from dcnfast.reference.deep import cross_mask, deep_part, deep_part_backward, hidden_mask
from dcnfast.reference.inputs import Inputs, combine_members
from dcnfast.reference.lists import Named, named
from dcnfast.reference.optimizers import DECAYING, State
from dcnfast.reference.prior import pull


class ReferenceNetwork:
    """A network on a dict of named parameters.

    Parameters
    ----------
    config : NetworkConfig
        As for the compiled network.
    """

    def __init__(self, config: Any) -> None:
        self.config = config
        self.topology = topology(config)
        self.inputs = Inputs(config)
        tensors = self.tensors().items()
        self._shapes = {name: shape for name, (_, shape) in tensors}
        self._roles = {name: role for name, (role, _) in tensors}

    def tensors(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Return the role and the shape of every parameter by name, in their order."""
        c = self.config
        D, C = c.width, c.n_outputs
        tensors = self.inputs.tensors()
        if c.cross_layers:
            kinds = crosses.CROSSES[c.cross].tensors(c.cross_bias, c)
            tensors |= {t.name: (t.role, t.shape(c.cross_sizes)) for t in kinds}
        vectors = {"b": "bias"} | ({"scale": "scale", "shift": "shift"} if c.layer_norm else {})
        vectors |= {"a": "activation"} if c.parametric_activation else {}
        for branch in self.topology.branches:
            for i, (inputs, outputs) in enumerate(branch.layers(D)):
                tensors[f"{branch.name}_W_{i}"] = ("weight", (outputs, inputs))
                for vector, role in vectors.items():
                    tensors[f"{branch.name}_{vector}_{i}"] = (role, (outputs,))
        if c.wide_columns:
            tensors["wide_W"] = ("linear", (C, c.wide_columns))
        E = (c.n_members,) if c.n_members > 1 else ()
        tensors["head_W"] = ("weight", (*E, C, self.topology.head_width(D)))
        tensors["head_b"] = ("bias", (*E, C))
        for K in self.inputs.widths:
            rows = sum(V for _, V, k in c.own_fields if k == K)
            tensors[f"embedding_{K}"] = ("embedding", (rows, K))
            if c.collision_weights:
                tensors[f"collision_{K}"] = ("collision_weight", (rows,))
        if c.wide and c.fields:
            tensors["wide"] = ("linear_embedding", (sum(V for _, V, _ in c.own_fields), C))
        return tensors

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every parameter by name, in their order."""
        return self._shapes

    def roles(self) -> dict[str, str]:
        """Return what every parameter is for, by name: its initial values and penalty follow."""
        return self._roles

    # ---- forward: stages 2 to 5

    def forward(
        self,
        p: Mapping[str, Array],
        ids: Ids | Named,
        dense: Array,
        *,
        seed: int = 0,
        step: int | None = None,
    ) -> dict[str, Any]:
        """Return every intermediate result by name; of several members one behind the other.

        Parameters
        ----------
        p : dict of ndarray
            Parameters by name.
        ids : ndarray of int, shape (B, F), or Named
            Each counted from 0 within its field. Where there are lists, with them.
        dense : ndarray of shape (B, M + 2 J)
        seed : int, default=0
            Of dropout.
        step : int or None, default=None
            The step about to be taken, for its dropout; None predicts, without dropout.

        Returns
        -------
        dict
            x0, xL (B, D); deep, by the name of the branch a list of its input and its layers'
            outputs; masks, by the same name a list of the dropout factors; logits (B, C). With
            several members: members, a list of these; logits (E, B, C).
        """
        x = self.inputs.stack(p, ids, dense)
        members = [
            self._member(self.inputs.of_member(p, e), x * r, e, (ids, dense), seed, step)
            for e, r in enumerate(self.inputs.scales(p))
        ]
        if len(members) == 1:
            return members[0]
        return {"members": members, "logits": np.stack([state["logits"] for state in members])}

    def _member(
        self,
        p: Mapping[str, Array],
        x0: Array,
        e: int,
        table: tuple[Ids | Named, Array],
        seed: int,
        step: int | None,
    ) -> dict[str, Any]:
        c, xL = self.config, x0
        if c.cross_layers:
            xL = cross_part(c, p, x0)
            xL = xL * cross_mask(c, xL.shape, e, seed, step)
        inputs = {"x0": x0, "xL": xL}
        masks, deep = {}, {}
        for b in self.topology.branches:
            masks[b.name] = [
                hidden_mask(c, b, i, len(x0), e, seed, step) for i in range(len(b.hidden))
            ]
            deep[b.name] = deep_part(c, b.name, p, inputs[b.input], masks[b.name])
        x, h = self._head_inputs(xL, deep)
        logits = combine(x, h, p["head_W"], p["head_b"]) + self._wide(p, *table)
        return inputs | {"deep": deep, "masks": masks, "logits": logits}

    def _head_inputs(self, xL: Array, deep: Mapping[str, list[Array]]) -> tuple[Array, Array]:
        """Return what reaches the head: xL, and the branches side by side; empty what it lacks."""
        nothing = xL[:, :0]
        outputs = [deep[branch.name][-1] for branch in self.topology.branches]
        return (
            xL if self.topology.cross_to_head else nothing,
            np.concatenate([nothing, *outputs], axis=1),
        )

    def _wide(self, p: Mapping[str, Array], ids: Ids | Named, dense: Array) -> Array:
        c = self.config
        logits = np.zeros((len(dense), c.n_outputs))
        if c.wide and c.fields:
            rows = named(ids).embed(self.inputs.tables(p, wide=True), c.poolings)
            logits += rows.reshape(len(ids), len(c.fields), c.n_outputs).sum(axis=1)
        if c.wide_columns:
            logits += self._wide_numbers(dense) @ p["wide_W"].T
        return logits

    def _wide_numbers(self, dense: Array) -> Array:
        """Return what the linear part reads: plain numbers, then z of the embedded ones."""
        M = self.config.n_dense
        return np.hstack([dense[:, :M], dense[:, M::2]])[:, : self.config.wide_columns]

    # ---- loss and backward: stages 6 and 7

    def loss_and_gradients(
        self,
        p: Mapping[str, Array],
        ids: Ids | Named,
        dense: Array,
        target: Array,
        weight: Array | None = None,
        *,
        group: Ids | None = None,
        seed: int = 0,
        step: int | None = None,
    ) -> tuple[float, dict[str, Array]]:
        """Return the mean loss over the rows (divided by B), no penalty, and gradients by name."""
        c, n, E = self.config, len(dense), self.config.n_members
        x, scales = self.inputs.stack(p, ids, dense), self.inputs.scales(p)
        total, dx, gradients = 0.0, np.zeros_like(x), []
        dr = np.zeros_like(scales)
        for e, r in enumerate(scales):
            own = self.inputs.of_member(p, e)
            state = self._member(own, x * r, e, (ids, dense), seed, step)
            loss, dlogits = self._loss(own, state, target, weight, group)
            total += loss / E
            dxL, g = self._head_backward(own, state, dlogits / (n * E), (ids, dense))
            dxL = dxL * cross_mask(c, x.shape, e, seed, step)
            dx0 = g.pop("x0")
            if c.cross_layers:
                dxL, of_cross = cross_part_backward(dxL, c, own, x * r)
                g |= of_cross
            dx0 += dxL
            dx, dr[e] = dx + dx0 * r, (dx0 * x).sum(axis=0)
            gradients.append(g)
        g = {name: np.sum([one[name] for one in gradients], axis=0) for name in gradients[0]}
        if E > 1:
            g |= {name: np.stack([one[name] for one in gradients]) for name in ("head_W", "head_b")}
        g |= self.inputs.scales_backward(dr, p)
        self.inputs.stack_backward(dx, g, p, ids, dense)
        return total / n, {name: g[name] for name in self.shapes()}

    def _loss(
        self, p: Mapping[str, Array], state: Mapping[str, Any], *of_rows: Any
    ) -> tuple[float, Array]:
        """Return a member's loss and the gradient of its logits (B,C), of branches (3,B,C)."""
        c, (target, weight, group) = self.config, of_rows

        def loss_of(logits: Array) -> tuple[float, Array]:
            return training_loss(c.loss_kind, logits, target, weight, c.label_smoothing, group)

        if not c.branch_loss:
            return loss_of(state["logits"])
        inputs = self._head_inputs(state["xL"], state["deep"])
        alone = branch_logits(state["logits"], *inputs, p["head_W"])
        return branch_loss(loss_of, (state["logits"], *alone), len(target))

    def _head_backward(
        self,
        p: Mapping[str, Array],
        state: Mapping[str, Any],
        dlogits: Array,
        table: tuple[Ids | Named, Array],
    ) -> tuple[Array, dict[str, Array]]:
        """Return the gradient of xL, and those of all behind it; of x0, by the branches, as x0."""
        xL, deep, masks = (state[name] for name in ("xL", "deep", "masks"))
        of_both, backward = dlogits, combine_backward
        if self.config.branch_loss:
            of_both, backward = dlogits[0], branch_backward
        g = self._wide_gradients(of_both, p, *table)
        x, h = self._head_inputs(xL, deep)
        dx, dh, g["head_W"], g["head_b"] = backward(dlogits, x, h, p["head_W"], p["head_b"])
        d = {"x0": np.zeros_like(xL), "xL": np.zeros_like(xL)}
        if self.topology.cross_to_head:
            d["xL"] += dx
        column = 0
        for b in self.topology.branches:
            dhN = dh[:, column : column + b.width]
            column += b.width
            layers = deep[b.name], masks[b.name]
            dh0, of_branch = deep_part_backward(dhN, self.config, b, p, *layers)
            d[b.input] += dh0
            g |= of_branch
        return d["xL"], g | {"x0": d["x0"]}

    def _wide_gradients(
        self, dlogits: Array, p: Mapping[str, Array], ids: Ids | Named, dense: Array
    ) -> dict[str, Array]:
        c, g = self.config, {}
        if c.wide and c.fields:
            each = np.tile(dlogits, len(c.fields))
            tables = self.inputs.tables(p, wide=True)
            dE = named(ids).embed_backward(each, tables, c.poolings)
            g["wide"] = np.concatenate(self.inputs.own(dE))
        if c.wide_columns:
            g["wide_W"] = dlogits.T @ self._wide_numbers(dense)
        return g

    # ---- optimize: stage 8

    def l2(self, name: str, ids: Ids | Named) -> float | Array:
        """Return the factor of the L2 penalty: a number, or for a table one for each row (V,1).

        All rows of a table have the same, or each as often as it occurs in the batch, divided by B.
        """
        c = self.config
        if self._is_table(name) and self.roles()[name] != "collision_weight":
            V, _ = self.shapes()[name]
            K = self.inputs.width_of(name)
            learns = np.ones(V) if K is None else self.inputs.learning_rows(K)
            if c.embedding_penalty == "table":
                return np.asarray(c.alpha_embedding * learns[:, None])
            rows = self.inputs.table_rows(ids, K)
            count = np.bincount(rows, minlength=V) * learns
            return np.asarray(c.alpha_embedding / len(ids) * count[:, None])
        role = self.roles()[name]
        if role == "cross_weight":
            return float(c.alpha_cross)
        if role in ("numeric_weight", "numeric_linear"):
            return float(c.alpha_embedding)
        return float(c.alpha_deep) if role in ("weight", "linear") else 0.0

    def _is_table(self, name: str) -> bool:
        return self.roles()[name] in ("embedding", "linear_embedding", "collision_weight")

    def train_step(
        self,
        state: State,
        ids: Ids | Named,
        dense: Array,
        target: Array,
        weight: Array | None = None,
        *,
        group: Ids | None = None,
        seed: int = 0,
        kind: str = "adam",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        gradient_clip: float = 0.0,
        rate_factors: Mapping[str, float] | None = None,
        prior_strength: float = 0.0,
        **options: float,
    ) -> float:
        """Take one step on these rows; return the objective, penalties included, before it.

        ``kind`` is the optimizer and the last arguments its options, as in ``OptimizerStep``.
        ``sparse_adam="lazy"`` leaves rows of tables alone that do not occur among ``ids``;
        ``"exact"`` moves them too, with gradient 0, and ``embedding_penalty="table"`` with theirs.
        """
        p, m, v = state.parameters, state.first_moments, state.second_moments
        state.step += 1
        objective, g = self.loss_and_gradients(
            p, ids, dense, target, weight, group=group, seed=seed, step=state.step
        )
        g = clip_gradients(g, gradient_clip)
        if state.prior is not None and prior_strength:
            objective += self._hold(state, g, ids, prior_strength)
        for name in p:
            l2 = self.l2(name, ids)
            role = self.roles()[name]
            options["weight_decay"] = weight_decay if role in DECAYING else 0.0
            options["learning_rate"] = learning_rate * (rate_factors or {}).get(role, 1.0)
            objective += 0.5 * float((l2 * p[name] ** 2).sum())
            tensors = p[name], m[name], v[name]
            if self._is_table(name):
                moving = np.arange(len(p[name])) if self.config.moves_all_rows else None
                rows = self.inputs.learning(name, ids, moving)
                g_rows, l2_rows = g[name][rows], np.asarray(l2)[rows] if np.ndim(l2) else l2
                new = update_rows(kind, tensors, g_rows, rows, state.step, l2=l2_rows, **options)
            else:
                new = OPTIMIZERS[kind](*tensors, g[name], state.step, l2=l2, **options)
            p[name], m[name], v[name] = new
            if decay := self.config.ema_decay:
                state.averages[name] = average_update(
                    state.averages[name], p[name], state.step, decay
                )
        return objective

    def _hold(self, state: State, g: dict[str, Array], ids: Ids | Named, strength: float) -> float:
        """Add the gradients of the prior, of tables those of the rows named; return it."""
        p, (anchor, fisher), total = state.parameters, state.prior or ({}, {}), 0.0
        for name in p:
            chosen: Any = slice(None)
            if self._is_table(name):
                chosen = self.inputs.learning(name, ids)
            of = p[name][chosen], anchor[name][chosen], fisher[name][chosen]
            penalty, pulled = pull(*of, strength)
            g[name][chosen] += pulled
            total += penalty
        return total

    def predict(self, state: State, ids: Ids | Named, dense: Array) -> Array:
        """Return logits (B,C), of the averages if there are any."""
        p = state.averages if self.config.ema_decay else state.parameters
        logits = np.asarray(self.forward(p, ids, dense)["logits"])
        return (
            logits if self.config.n_members == 1 else combine_members(logits, self.config.loss_kind)
        )
