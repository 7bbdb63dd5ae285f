from bench.w3_full_model.tfrs import prepare

__all__ = ["prepare"]
