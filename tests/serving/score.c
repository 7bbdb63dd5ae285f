/* score <model> <columns> <scores> <threads>: for the tests of the C API. What it reads and writes is
   binary, as tests/serving/c_program.py has it. */
#include <dcnfast.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *taken(FILE *in, size_t bytes) {
  void *memory = malloc(bytes + 1);
  if (memory == NULL || fread(memory, 1, bytes, in) != bytes) exit(99);
  return memory;
}

static const char **texts_of(FILE *in, size_t n) {
  const char **texts = malloc((n + 1) * sizeof *texts);
  if (texts == NULL) exit(99);
  for (size_t i = 0; i < n; ++i) {
    int32_t length;
    if (fread(&length, sizeof length, 1, in) != 1) exit(99);
    texts[i] = NULL;
    if (length >= 0) {
      char *text = taken(in, (size_t)length);
      text[length] = 0;
      texts[i] = text;
    }
  }
  return texts;
}

static dcnfast_column column_of(FILE *in, size_t rows) {
  dcnfast_column column;
  int32_t arrays;
  size_t n = rows; /* of items, in a column of lists */
  memset(&column, 0, sizeof column);
  if (fread(&arrays, sizeof arrays, 1, in) != 1) exit(99);
  if (arrays & 32) {
    column.offsets = taken(in, (rows + 1) * sizeof(int64_t));
    n = (size_t)column.offsets[rows];
  }
  if (arrays & 1) column.doubles = taken(in, n * sizeof(double));
  if (arrays & 2) column.int64s = taken(in, n * sizeof(int64_t));
  if (arrays & 4) column.uint64s = taken(in, n * sizeof(uint64_t));
  if (arrays & 8) column.texts = texts_of(in, n);
  if (arrays & 16) column.missing = taken(in, rows);
  if (arrays & 64) column.missing_items = taken(in, n);
  return column;
}

static void release(dcnfast_column column, size_t rows) {
  const size_t n = column.offsets != NULL ? (size_t)column.offsets[rows] : rows;
  for (size_t i = 0; column.texts != NULL && i < n; ++i) free((void *)column.texts[i]);
  free((void *)column.doubles);
  free((void *)column.int64s);
  free((void *)column.uint64s);
  free((void *)column.texts);
  free((void *)column.missing);
  free((void *)column.offsets);
  free((void *)column.missing_items);
}

static int failed(dcnfast_status status) {
  printf("%d %s\n", (int)status, dcnfast_error_message());
  return 0;
}

int main(int argc, char **argv) {
  dcnfast_model *model;
  dcnfast_status status;
  int64_t sizes[2];
  if (argc != 5 || dcnfast_api_version() != DCNFAST_API_VERSION) return 98;
  status = dcnfast_load(argv[1], &model);
  if (status != DCNFAST_OK) return failed(status);

  FILE *in = fopen(argv[2], "rb");
  if (in == NULL || fread(sizes, sizeof *sizes, 2, in) != 2) return 97;
  const size_t n_rows = (size_t)sizes[0], n_columns = (size_t)sizes[1];
  dcnfast_column *columns = malloc((n_columns + 1) * sizeof *columns);
  double *scores = malloc((n_rows * dcnfast_n_outputs(model) + 1) * sizeof *scores);
  if (columns == NULL || scores == NULL) return 99;
  for (size_t j = 0; j < n_columns; ++j) columns[j] = column_of(in, n_rows);
  fclose(in);

  status = dcnfast_score(model, n_rows, columns, n_columns, (size_t)atoi(argv[4]), scores);
  if (status == DCNFAST_OK) {
    FILE *out = fopen(argv[3], "wb");
    if (out == NULL) return 97;
    fwrite(scores, sizeof *scores, n_rows * dcnfast_n_outputs(model), out);
    fclose(out);
    printf("0\n");
    for (size_t j = 0; j < dcnfast_n_columns(model); ++j)
      printf("%d %s\n", (int)dcnfast_column_kind(model, j), dcnfast_column_name(model, j));
    for (size_t c = 0; c < dcnfast_n_outputs(model); ++c)
      printf("output %s\n", dcnfast_output_name(model, c));
  } else {
    failed(status);
  }
  for (size_t j = 0; j < n_columns; ++j) release(columns[j], n_rows);
  free(columns);
  free(scores);
  dcnfast_free(model);
  return 0;
}
