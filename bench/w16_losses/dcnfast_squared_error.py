from bench.w3_full_model import dcnfast


def prepare(data, threads):
    return dcnfast.prepare(data.of_squared_error, threads)


def reference(data):
    return data.squared_error_reference()
