"""Trains networks of TensorFlow Recommenders; run by bench.remote, in an environment of its own.

Reads a job from standard input, then trains for one turn whenever it is told to. Imports nothing of
dcnfast.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from itertools import cycle
from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

keras = tf.keras
LOSSES = {
    "squared_error": lambda y, logits: tf.reduce_mean((logits - y) ** 2),
    "log_loss": lambda y, logits: tf.reduce_mean(
        tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logits)
    ),
}


class Table:
    """Embeddings of all fields in one table, moved by lazy Adam, which Keras does not have."""

    def __init__(self, values: Any, offsets: Any) -> None:
        self.values, self.offsets = tf.Variable(values), tf.constant(offsets)
        self.m, self.v = (tf.Variable(tf.zeros_like(values)) for _ in range(2))

    def __call__(self, ids: Any) -> Any:
        embedded = tf.gather(self.values, ids + self.offsets)
        return tf.reshape(embedded, (len(ids), -1))

    def move(self, gradient: Any, adam: dict[str, float], step: Any) -> None:
        rows, places = tf.unique(gradient.indices)
        g = tf.math.unsorted_segment_sum(gradient.values, places, tf.size(rows))
        m = adam["beta_1"] * tf.gather(self.m, rows) + (1 - adam["beta_1"]) * g
        v = adam["beta_2"] * tf.gather(self.v, rows) + (1 - adam["beta_2"]) * g * g
        corrections = tf.sqrt(1 - adam["beta_2"] ** step) / (1 - adam["beta_1"] ** step)
        move = adam["learning_rate"] * corrections * m / (tf.sqrt(v) + adam["epsilon"])
        self.m.scatter_update(tf.IndexedSlices(m, rows))
        self.v.scatter_update(tf.IndexedSlices(v, rows))
        self.values.scatter_sub(tf.IndexedSlices(move, rows))


class Network:
    """The layers as users of TensorFlow Recommenders stack them, with the values of the job."""

    def __init__(self, job: dict[str, Any]) -> None:
        p = job["parameters"]
        self.cross = [
            tfrs.layers.dcn.Cross(projection_dim=job["cross_rank"] or None)
            for _ in range(job["cross_layers"])
        ]
        self.deep = [keras.layers.Dense(width, "relu") for width in job["hidden"]]
        self.head = keras.layers.Dense(1)
        self.logits(tf.zeros((1, job["width"])))  # builds
        for i, layer in enumerate(self.cross):
            kernels = (p[name][i].T for name in ("cross_V", "cross_U", "cross_W") if name in p)
            layer.set_weights([*kernels, p["cross_b"][i]])
        for i, layer in enumerate(self.deep):
            layer.set_weights([p[f"deep_W_{i}"].T, p[f"deep_b_{i}"]])
        self.head.set_weights([p["head_W"].T, p["head_b"]])

    @property
    def variables(self) -> list[Any]:
        layers = [*self.cross, *self.deep, self.head]
        return [variable for layer in layers for variable in layer.trainable_variables]

    def logits(self, x0: Any) -> Any:
        x = h = x0
        for layer in self.cross:
            x = layer(x0, x)
        for layer in self.deep:
            h = layer(h)
        parts = ([x] if self.cross else []) + ([h] if self.deep else [])
        return self.head(parts[0] if len(parts) == 1 else tf.concat(parts, axis=1))


class Training:
    """A job: its data, its network, its optimizer."""

    def __init__(self, job: dict[str, Any]) -> None:
        limit_threads(job["threads"])
        self.ids, self.dense, self.target = (
            tf.constant(job[name]) for name in ("ids", "dense", "target")
        )
        self.network, self.adam = Network(job), job["adam"]
        self.table = Table(job["table"], job["offsets"]) if len(job["offsets"]) else None
        self.optimizer = keras.optimizers.Adam(**job["adam"])
        self.optimizer.build(self.network.variables)
        self.loss = LOSSES[job["loss"]]
        self.turns = cycle([tf.constant(turn) for turn in job["turns"]])
        changed = [*self.network.variables, *self.optimizer.variables]
        self.start = [(v, v.numpy()) for v in changed] if job["restart"] else []

    def turn(self) -> Any:
        for variable, value in self.start:
            variable.assign(value)
        return self.train(next(self.turns)).numpy()

    @tf.function
    def train(self, turn: Any) -> Any:
        losses = tf.TensorArray(tf.float32, size=len(turn))
        for i in tf.range(len(turn)):
            losses = losses.write(i, self.step(turn[i]))
        return losses.stack()

    def step(self, rows: Any) -> Any:
        ids, dense, y = (tf.gather(a, rows) for a in (self.ids, self.dense, self.target))
        variables = self.network.variables
        tables = [self.table.values] if self.table else []
        with tf.GradientTape() as tape:
            x0 = tf.concat([self.table(ids), dense], axis=1) if self.table else dense
            loss = self.loss(y, self.network.logits(x0))
        gradients = tape.gradient(loss, variables + tables)
        self.optimizer.apply_gradients(zip(gradients[: len(variables)], variables, strict=True))
        if self.table:
            step = tf.cast(self.optimizer.iterations, tf.float32)
            self.table.move(gradients[-1], self.adam, step)
        return loss


class Model(keras.Model):
    """The network as Keras wants it for ``fit``."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.parts, self.logits = [*network.cross, *network.deep, network.head], network.logits

    def call(self, x0: Any) -> Any:
        return self.logits(x0)


class Fit:
    """A job without tables that starts anew each turn, by Keras' own ``fit``."""

    def __init__(self, job: dict[str, Any]) -> None:
        limit_threads(job["threads"])
        self.model, self.epochs = Model(Network(job)), job["epochs"]
        self.model.compile(keras.optimizers.Adam(**job["adam"]), LOSSES[job["loss"]])
        dense, target = tf.constant(job["dense"]), tf.constant(job["target"])
        (turn,) = job["turns"]
        self.steps = len(turn) // self.epochs
        batches = tf.data.Dataset.from_tensor_slices(turn)
        self.rows = batches.map(lambda rows: (tf.gather(dense, rows), tf.gather(target, rows)))
        self.model.optimizer.build(self.model.trainable_variables)
        changed = [*self.model.trainable_variables, *self.model.optimizer.variables]
        self.start = [(v, v.numpy()) for v in changed]

    def turn(self) -> Any:
        for variable, value in self.start:
            variable.assign(value)
        done = self.model.fit(self.rows, epochs=self.epochs, steps_per_epoch=self.steps, verbose=0)
        return done.history["loss"]


def limit_threads(n: int) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(n)
    tf.config.threading.set_inter_op_parallelism_threads(n)


def main() -> None:
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no reply
    training = None
    while True:
        try:
            job = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            if training is None:
                training, reply = (Fit if job["fit"] else Training)(job), (None, None)
            else:
                reply = training.turn(), None
        except Exception:
            reply = None, traceback.format_exc()
        replies.write(pickle.dumps(reply))
        replies.flush()


if __name__ == "__main__":
    main()
