/* score_threads <model> <rows>: eight threads score rows of numbers at the same time, some of them
   with threads of the library's own; all have to come to the same bits. */
#include <dcnfast.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 8, TIMES = 5 };

static dcnfast_model *model;
static dcnfast_column *columns;
static size_t n_rows, n_columns, size;
static double *first;

static void *work(void *threads) {
  double *out = malloc(size);
  int *wrong = calloc(1, sizeof *wrong);
  if (out == NULL || wrong == NULL) abort();
  for (int i = 0; i < TIMES; ++i) {
    if (dcnfast_score(model, n_rows, columns, n_columns, *(size_t *)threads, out) != DCNFAST_OK ||
        memcmp(out, first, size) != 0)
      ++*wrong;
    if (dcnfast_score(model, n_rows, columns, n_columns + 1, 1, out) != DCNFAST_BAD_ARGUMENT ||
        strstr(dcnfast_error_message(), "columns") == NULL)
      ++*wrong;
  }
  free(out);
  return wrong;
}

int main(int argc, char **argv) {
  pthread_t threads[THREADS];
  size_t counts[THREADS];
  int wrong = 0;
  if (argc != 3 || dcnfast_load(argv[1], &model) != DCNFAST_OK) return 1;
  n_rows = (size_t)atoi(argv[2]);
  n_columns = dcnfast_n_columns(model);
  size = n_rows * dcnfast_n_outputs(model) * sizeof(double);
  columns = calloc(n_columns, sizeof *columns);
  first = malloc(size);
  for (size_t j = 0; j < n_columns; ++j) {
    double *numbers = malloc(n_rows * sizeof *numbers);
    for (size_t i = 0; i < n_rows; ++i) numbers[i] = (double)((i * 37 + j * 11) % 101) / 25 - 2;
    columns[j].doubles = numbers;
  }
  if (dcnfast_score(model, n_rows, columns, n_columns, 1, first) != DCNFAST_OK) return 2;
  for (size_t i = 0; i < THREADS; ++i) {
    counts[i] = i % 4;
    if (pthread_create(&threads[i], NULL, work, &counts[i]) != 0) return 3;
  }
  for (size_t i = 0; i < THREADS; ++i) {
    void *found;
    pthread_join(threads[i], &found);
    wrong += *(int *)found;
    free(found);
  }
  for (size_t j = 0; j < n_columns; ++j) free((void *)columns[j].doubles);
  free(columns);
  free(first);
  dcnfast_free(model);
  printf("%d\n", wrong);
  return 0;
}
