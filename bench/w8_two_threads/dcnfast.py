from bench.w1_cross_matrix.dcnfast import prepare

__all__ = ["prepare"]
