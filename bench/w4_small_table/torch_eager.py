from bench.w3_full_model.torch_eager import prepare

__all__ = ["prepare"]
