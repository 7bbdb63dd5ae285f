/* load_files <file> ...: says of each what loading it returns, and why. For the tests of the C API. */
#include <dcnfast.h>
#include <stdio.h>

int main(int argc, char **argv) {
  for (int i = 1; i < argc; ++i) {
    dcnfast_model *model;
    const dcnfast_status status = dcnfast_load(argv[i], &model);
    printf("%d %s\n", (int)status, status == DCNFAST_OK ? "" : dcnfast_error_message());
    dcnfast_free(model);
  }
  return 0;
}
