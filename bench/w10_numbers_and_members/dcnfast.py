from bench.w3_full_model.dcnfast import prepare

__all__ = ["prepare"]
