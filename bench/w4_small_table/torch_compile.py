from bench.w3_full_model.torch_compile import prepare

__all__ = ["prepare"]
