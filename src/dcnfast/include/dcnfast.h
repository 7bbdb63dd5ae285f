/* The C API of dcnfast: a model file that model.save() has written is loaded, and scores rows.

   All functions may be called by several threads at the same time, also with the same model; only
   dcnfast_free wants that nobody uses the model any longer. See docs/c_api.md. */
#ifndef DCNFAST_H
#define DCNFAST_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(DCNFAST_BUILDS)
#define DCNFAST_API __declspec(dllexport)
#elif defined(_WIN32)
#define DCNFAST_API __declspec(dllimport)
#elif defined(__GNUC__)
#define DCNFAST_API __attribute__((visibility("default")))
#else
#define DCNFAST_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Of this header. It changes only where a program that was compiled with an older one would no
   longer work; dcnfast_api_version() is that of the library. */
#define DCNFAST_API_VERSION 1

/* What functions return that may fail. */
typedef enum {
  DCNFAST_OK = 0,
  DCNFAST_BAD_ARGUMENT = 1, /* such as NULL, or another number of columns */
  DCNFAST_CANNOT_READ = 2,  /* there is no such file, or the system does not give it */
  DCNFAST_BAD_FILE = 3,     /* it is no model file, damaged, cut off, or of a later version */
  DCNFAST_UNSUPPORTED = 4,  /* something in it that this version does not know */
  DCNFAST_BAD_VALUE = 5,    /* a value that predict() refuses as well, as an infinite number */
  DCNFAST_NO_MEMORY = 6
} dcnfast_status;

/* What a column of the table is. */
typedef enum {
  DCNFAST_NUMBER = 1,   /* numbers */
  DCNFAST_CATEGORY = 2, /* texts or numbers, each of which stands for itself */
  DCNFAST_DATE = 3,     /* seconds since 1970-01-01 00:00:00 by the clock that fit saw */
  DCNFAST_LIST = 4,     /* lists of categories */
  DCNFAST_WEIGHTS = 5,  /* lists of numbers, the weights of the items of another column */
  DCNFAST_JOINED = 6    /* texts with the items of a list in each, a separator between them */
} dcnfast_kind;

/* The values of one column, n_rows in each array that is given. Set all of it to 0 first, then one
   or two arrays: of numbers either doubles, int64s or uint64s; and texts. Where both are given, a
   row has its text, or its number where that is NULL.

   In a column of lists the arrays have the items of all rows, one behind the other, and offsets,
   n_rows + 1 of them, say which: row i has items offsets[i] up to, but without, offsets[i + 1]. */
typedef struct {
  const double *doubles; /* NaN is missing */
  const int64_t *int64s;
  const uint64_t *uint64s;
  const char *const *texts;     /* UTF-8 up to the character 0; NULL is missing */
  const unsigned char *missing; /* NULL, or not 0 where a row has no value, or no list, at all */
  const int64_t *offsets;       /* of lists, else NULL */
  const unsigned char *missing_items; /* NULL, or not 0 where an item of a list has no value */
} dcnfast_column;

typedef struct dcnfast_model dcnfast_model;

DCNFAST_API int dcnfast_api_version(void);
/* Such as "0.1.0". */
DCNFAST_API const char *dcnfast_version(void);
/* What was wrong in the last call of this thread that failed, in words; valid until the next. */
DCNFAST_API const char *dcnfast_error_message(void);

/* Loads a model. The digests of all bytes are compared, and all that predictions read is checked;
   nothing of the file is run. One of 32 MiB or more is mapped into memory that all processes share.
   It must not be changed while the model is in use; to replace it, as save() does, is no change. */
DCNFAST_API dcnfast_status dcnfast_load(const char *path, dcnfast_model **model);
/* The same without a look at the tables of embeddings, for those of many gigabytes. */
DCNFAST_API dcnfast_status dcnfast_load_unverified(const char *path, dcnfast_model **model);
/* NULL is fine. */
DCNFAST_API void dcnfast_free(dcnfast_model *model);

/* The columns of fit, in its order. Names are UTF-8, NULL and 0 if there is no such column. */
DCNFAST_API size_t dcnfast_n_columns(const dcnfast_model *model);
DCNFAST_API const char *dcnfast_column_name(const dcnfast_model *model, size_t column);
DCNFAST_API dcnfast_kind dcnfast_column_kind(const dcnfast_model *model, size_t column);

/* How many numbers a row gets. */
DCNFAST_API size_t dcnfast_n_outputs(const dcnfast_model *model);
/* Of a classifier the label of the class, as Python's str() writes it; of others "". */
DCNFAST_API const char *dcnfast_output_name(const dcnfast_model *model, size_t output);

/* Scores rows: out (n_rows, n_outputs), row after row, becomes what predict_proba() of a classifier
   says, or predict() of others.

   columns    as many as the model has, in the order of fit
   n_threads  at most so many share the rows; 0 stands for those of the machine. What comes out does
              not depend on it.

   If it fails, what is in out is not defined. */
DCNFAST_API dcnfast_status dcnfast_score(const dcnfast_model *model, size_t n_rows,
                                         const dcnfast_column *columns, size_t n_columns,
                                         size_t n_threads, double *out);

#ifdef __cplusplus
}
#endif

#endif
