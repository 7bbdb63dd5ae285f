from bench.w3_full_model import dcnfast


def prepare(data, threads):
    return dcnfast.prepare(data.single, threads)


def reference(data):
    return data.single_reference()
