"""The whole model in C: the text of the header, and that of the source."""

from __future__ import annotations

from dataclasses import dataclass, fields

from dcnfast import _core
from dcnfast.encode.encoder import TableEncoder
from dcnfast.network.collision import without_factors
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.network.saved import tables_of
from dcnfast.serving.answers import Answer, Answers
from dcnfast.serving.c_source import literals
from dcnfast.serving.c_source.answer import write_answer
from dcnfast.serving.c_source.deep import stack_of, write_network
from dcnfast.serving.c_source.encode import write_encoder
from dcnfast.serving.c_source.lists import size_of, write_lists
from dcnfast.serving.c_source.row import VALUE, Columns, Input, inputs_of, struct_of, with_prefix
from dcnfast.serving.c_source.source import Source
from dcnfast.serving.c_source.tables import (
    DECLARATIONS,
    INCLUDES,
    MAPPED,
    TablesFile,
    check_size,
    write_tables,
)

MOST_STACK = 2**20  # bytes

WRITTEN = {
    "fields", "poolings", "table_of", "n_dense",
    "numeric_embedding", "numeric_bins", "numeric_scales", "numeric_width", "numeric_frequencies",
    "n_members", "learned_scale", "collision_weights",
    "cross", "cross_layers", "cross_rank", "diag_scale", "cross_bias", "preactivation",
    "cross_experts", "gating", "shared_gate", "cross_linear", "cross_factor",
    "cross_heads", "shared_heads",
    "hidden", "activation", "structure", "parametric_activation", "layer_norm", "wide",
    "wide_numeric", "dtype",
    "n_outputs", "loss", "loss_constants",
}  # fmt: skip
# what makes weights, not what is done with them
OF_TRAINING = {
    "dropout", "cross_dropout", "label_smoothing", "alpha_embedding", "alpha_cross", "alpha_deep",
    "branch_loss",
    "embedding_penalty", "ema_decay", "sparse_adam", "deterministic", "cross_symmetric",
    "cross_forbidden", "frozen",
}  # fmt: skip


ABOUT_LISTS = """
   A list is a pointer to its items, with their number in the field with _count, and 0 in that with
   _missing; a list in one text is split here, and has no items if the text is empty. Of weights
   there are as many as items, finite and not negative."""


@dataclass(frozen=True)
class CText:
    """A pair of files.

    Parameters
    ----------
    header, source : str
    """

    header: str
    source: str


def c_source(
    encoder: TableEncoder,
    model: Model,
    columns: Columns,
    target: Answers,
    *,
    name: str,
    header_name: str,
    file: TablesFile | None = None,
) -> CText:
    """Return a fitted model as C99.

    Parameters
    ----------
    encoder : TableEncoder
    model : Model
    columns : tuple of (sequence of str, sequence of bool, Dates, ListColumns)
        Names of all columns but those of lists, which of them are categorical, and which are made
        of dates; and the columns of lists.
    target : Answers
    name : str
        What all public names begin with.
    header_name : str
        By which the source includes the header.
    file : TablesFile or None, default=None
        The model file whose tables are mapped; None writes them into the source.

    Raises
    ------
    TypeError, ValueError
        If something of the model cannot be written as C.
    """
    model = model if file is not None else without_factors(model)
    config, answer = model.config, target.described()
    _check(config, name)
    if file is not None and not tables_of(model):
        raise ValueError('to_c: tables is "file" and the model has no tables, want "inline"')
    check_size(encoder, model, file)
    inputs = inputs_of(encoder, columns)
    source = Source(name, config.dtype)
    source.write(_beginning(config, header_name, file))
    if file is not None:
        source.write(MAPPED)
    parameters = model.averages
    finders = write_encoder(source, encoder, inputs, columns, config.dtype, file)
    write_tables(source, model, parameters, file)
    write_lists(source, config, columns[3], inputs, finders)
    write_network(source, config, parameters)
    write_answer(source, config, answer)
    source.write(_predict(source, config, file))
    return CText(_header(name, config, inputs, answer, file), source.text)


def _check(config: NetworkConfig, name: str) -> None:
    if not literals.is_identifier(name):
        raise ValueError(
            f"to_c: name is {name!r}, want a name of C: a letter, then letters, digits and _"
        )
    for field in fields(NetworkConfig):
        known = field.name in WRITTEN or field.name in OF_TRAINING
        if not known and getattr(config, field.name) != field.default:
            raise TypeError(
                f"to_c: the network has {field.name}={getattr(config, field.name)!r}, which is not "
                f"written as C, want {field.default!r}"
            )
    if (n := stack_of(config)) > MOST_STACK:
        raise ValueError(
            f"to_c: a call would take {n} bytes of the stack, want at most {MOST_STACK}: the input "
            f"of the network has {config.width} columns"
        )


def _beginning(config: NetworkConfig, header_name: str, file: TablesFile | None) -> str:
    posix = "#define _POSIX_C_SOURCE 200809L\n\n" if file is not None else ""
    kind = "float" if config.dtype == "float32" else "double"
    return f"""\
/* Written by dcnfast {_core.version}. */
{posix}#include {literals.string(header_name)}

{INCLUDES if file is not None else ""}#include <float.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

typedef {kind} weight;"""


def _predict(source: Source, config: NetworkConfig, file: TablesFile | None) -> str:
    C, E = config.n_outputs, config.n_members
    largest = "FLT_MAX" if config.dtype == "float32" else "DBL_MAX"
    is_open = ""
    if file is not None:
        is_open = f"\n  if (!mapped) return {source.name.upper()}_NOT_OPEN;"
    dense = max(1, config.dense_columns)
    ids = max(1, len(config.fields) - len(config.poolings))
    lists, pools, named = "", "", ""
    if config.poolings:
        lists, named = f", lists[{size_of(config)}]", ", lists"
        pools = "\n  refused = pool_lists(row, lists);\n  if (refused) return refused;"
    return f"""\
static int are_finite(const double *logits) {{
  for (size_t c = 0; c < {E * C}; ++c)
    if (!(fabs(logits[c]) <= {largest})) return 0;
  return 1;
}}

int {source.name}_predict(const {source.name}_row *row, double *out) {{
  int32_t ids[{ids}];
  double dense[{dense}], logits[{E * C}]{lists};
  int refused;{is_open}
  refused = encode(row, ids, dense);
  if (refused) return refused;{pools}
  network(ids, dense{named}, logits);
  if (!are_finite(logits)) {{ /* a polynomial of far-away numbers: as at the border of training */
    clip(dense);
    network(ids, dense{named}, logits);
    for (size_t c = 0; c < {E * C}; ++c)
      logits[c] = isnan(logits[c]) ? 0 : logits[c] > {largest} ? {largest}
                : logits[c] < -{largest} ? -{largest} : logits[c];
  }}
  answer(logits, out);
  return 0;
}}"""


def _header(
    name: str,
    config: NetworkConfig,
    inputs: list[Input],
    answer: Answer,
    file: TablesFile | None,
) -> str:
    codes = _about_codes(config, file, name.upper())
    prefix, guard = name.upper(), f"DCNFAST_{name.upper()}_H"
    value = f"\n{with_prefix(VALUE, name)}\n" if any(of.kind == "value" for of in inputs) else ""
    sizes = "#include <stddef.h>\n" if any(of.is_list for of in inputs) else ""
    lists = ABOUT_LISTS if sizes else ""
    opens = ""
    if file is not None:
        opens = with_prefix(DECLARATIONS, name).replace("@", literals.comment(file.name))
    return f"""\
/* A model of dcnfast {_core.version} in C99, preprocessing inside. It allocates nothing, and any
   number of threads may call it. Link with -lm. */
#ifndef {guard}
#define {guard}

{sizes}#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif
{value}
/* A row of the table: the {len(inputs)} columns of fit. Where a field has another beside it, with
   _missing behind its name, that is 0 where the value is there.{lists} */
{struct_of(name, inputs)}

enum {{ {prefix}_COLUMNS = {len(inputs)}, {prefix}_OUTPUTS = {answer.size} }};

{opens}/* Predicts a row: {_about_answer(answer)}
   Returns 0, or the number of the column, from 1 on, whose value is refused: a number that is
   infinite, or a text or a number in a column where training saw none{codes}.
   A call takes about {stack_of(config) // 1024 + 1} KiB of the stack. */
int {name}_predict(const {name}_row *row, double *out);

#ifdef __cplusplus
}}
#endif

#endif
"""


def _about_codes(config: NetworkConfig, file: TablesFile | None, prefix: str) -> str:
    weights = "; a weight that is\n   infinite, NAN or negative" if config.poolings else ""
    return weights + ("" if file is None else f"; or {prefix}_NOT_OPEN")


def _about_answer(answer: Answer) -> str:
    if not answer.labels:
        last = answer.size - 1
        return f"sets {f'out[0] to out[{last}]' if last else 'out[0]'} to what predict() says."
    lines = [
        f"     out[{c}]: {literals.comment(repr(label))}" for c, label in enumerate(answer.labels)
    ]
    return "sets out to the probabilities of its classes.\n" + "\n".join(lines)
