from bench.w3_full_model import dcnfast


def prepare(data, threads):
    return dcnfast.prepare(data.of_loss, threads)
