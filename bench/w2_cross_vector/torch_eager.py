import torch


def forward(x0, w, b):
    x = x0
    for w_l, b_l in zip(w, b, strict=True):
        x = torch.addcmul(x + b_l, x0, (x @ w_l)[:, None])
    return x


def prepare(data, threads, forward=forward):
    torch.set_num_threads(threads)
    dxL, x0, w, b = (torch.from_numpy(array) for array in data)
    x0, w, b = (tensor.clone().requires_grad_() for tensor in (x0, w, b))

    def run():
        xL = forward(x0, w.unbind(), b.unbind())
        return xL.detach(), *torch.autograd.grad(xL, [x0, w, b], dxL)

    return run
