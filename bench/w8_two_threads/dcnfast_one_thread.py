from bench.w8_two_threads.dcnfast import prepare

__all__ = ["THREADS", "prepare"]

THREADS = 1
