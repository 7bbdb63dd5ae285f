import torch


def mixture(x0, U, V, C, gate, b):
    """All experts in one product each, not one after the other as libraries have them."""
    x = x0
    for l in range(len(b)):
        g = torch.softmax(x @ gate[l].T, dim=1)
        E, R, D = V[l].shape
        h = (x @ V[l].reshape(E * R, D).T).view(-1, E, R)
        if C is not None:
            h = torch.tanh(torch.einsum("ber,eqr->beq", torch.tanh(h), C[l]))
        h = (h * g[:, :, None]).reshape(-1, E * R)
        z = h @ U[l].permute(0, 2, 1).reshape(E * R, D)
        x = torch.addcmul(x, x0, z + b[l])  # the gates of softmax are 1 together
    return x


def exponential(x0, W, scale, shift, b):
    x, D = x0, x0.shape[1]
    for l in range(len(b)):
        h = x @ W[l].T
        m = torch.relu(torch.nn.functional.layer_norm(h, h.shape[1:], scale[l], shift[l]))
        both = torch.cat([h, h * m], dim=1)[:, :D]
        x = torch.addcmul(x, x, both + b[l])
    return x


def onlydense(x0, W, b):
    x = x0
    for l in range(len(b)):
        x = x * torch.relu(torch.addmm(b[l], x, W[l].T))
    return x


FORMS = {"exponential": exponential, "onlydense": onlydense}


def prepare(data, threads, compiled=lambda forward: forward):
    torch.set_num_threads(threads)
    form, dxL, *arguments = data
    forward = compiled(FORMS.get(form, mixture))
    dxL = torch.from_numpy(dxL)
    arguments = [
        a if a is None else torch.from_numpy(a).clone().requires_grad_() for a in arguments
    ]
    learned = [a for a in arguments if a is not None]

    def run():
        return torch.autograd.grad(forward(*arguments), learned, dxL)

    return run
