"""The workloads in PyTorch, eager and through torch.compile."""
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from workloads import ADAM, MOMENTUM, RATES, RESNET20, VGG16

VERSIONS = {"torch": torch.__version__}


def mlp(sizes):
    layers = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, 10))


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.shortcut = nn.Identity() if stride == 1 and inputs == outputs else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return F.relu(self.branch(x) + self.shortcut(x))


def resnet20():
    layers, inputs = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for outputs, stride in RESNET20:
        layers.append(Residual(inputs, outputs, stride))
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def vgg16():
    layers, inputs = [], 3
    for stage in VGG16:
        for outputs in stage:
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Linear(4096, 4096),
        nn.ReLU(), nn.Linear(4096, 1000))


class LanguageRNN(nn.Module):
    def __init__(self, cells, vocabulary, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden)
        self.cells = cells(hidden, hidden, batch_first=True)
        self.output = nn.Linear(hidden, vocabulary)

    def forward(self, tokens):
        states, _ = self.cells(self.embedding(tokens))
        return self.output(states).flatten(0, 1)


class TransformerBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.projection(a.transpose(1, 2).reshape(batch, tokens, width))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    def __init__(self, vocabulary, tokens, width, heads, layers):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads) for _ in range(layers)))
        self.norm, self.output = nn.LayerNorm(width), nn.Linear(width, vocabulary)

    def forward(self, tokens):
        x = self.blocks(self.embedding(tokens) + self.position)
        return self.output(self.norm(x)).flatten(0, 1)


def sample(w, draw):
    """The model, its input and its labels."""
    def images(*shape):
        return torch.from_numpy(draw.standard_normal((w["batch"], *shape), dtype=np.float32))

    def integers(bound, *shape):
        return torch.from_numpy(draw.integers(0, bound, shape))

    batch = w["batch"]
    match w["model"]:
        case "mlp":
            return mlp(w["sizes"]), images(w["sizes"][0]), integers(w["sizes"][-1], batch)
        case "lenet5":
            return lenet5(), images(1, 28, 28), integers(10, batch)
        case "resnet20":
            return resnet20(), images(3, 32, 32), integers(10, batch)
        case "vgg16":
            return vgg16(), images(3, 224, 224), None
        case "lstm" | "gru":
            v, t = w["vocabulary"], w["steps"]
            cells = nn.LSTM if w["model"] == "lstm" else nn.GRU
            return LanguageRNN(cells, v, w["hidden"]), integers(v, batch, t), integers(v, batch * t)
        case "transformer":
            v, t = w["vocabulary"], w["tokens"]
            model = Transformer(v, t, w["width"], w["heads"], w["layers"])
            return model, integers(v, batch, t), integers(v, batch * t)


FUNCTIONS = {
    "chain": lambda a, b, c: torch.sigmoid(a * b + c) * a + torch.relu(c) * 0.5,
    "layernorm": lambda x, scale, bias: F.layer_norm(x, x.shape[-1:], scale, bias),
    "softmax": lambda x: torch.softmax(x, -1),
    "gemm": lambda a, b: a @ b,
}


# Functions whose gradients are wanted: of all arguments but the last, which is the result's cotangent.
GRADIENTS = {
    "attention": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
}


def small_lstm(w, draw):
    x = draw.standard_normal((w["steps"], w["batch"], w["hidden"]), dtype=np.float32)
    return nn.LSTM(w["hidden"], w["hidden"]), torch.from_numpy(x), lambda made: made[0].square().mean()


# A model, its input and a scalar of what it gives: that, and its gradients by all parameters, are wanted.
PARAMETERS_OF = {"lstm_small": small_lstm}


def optimizer(name, parameters):
    if name == "adam":
        return torch.optim.Adam(
            parameters, RATES[name], (ADAM["beta1"], ADAM["beta2"]), ADAM["epsilon"])
    return torch.optim.SGD(
        parameters, RATES[name], momentum=MOMENTUM if name == "momentum" else 0)


def build(w, threads, compiled):
    """A step to call, and how many parameters it has."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    draw = np.random.default_rng(0)
    wrap = torch.compile if compiled else (lambda f: f)
    if "function" in w:
        arguments = [torch.from_numpy(draw.standard_normal(s, dtype=np.float32)) for s in w["shapes"]]
        function = wrap(FUNCTIONS[w["function"]])

        def call():
            with torch.inference_mode():
                return function(*arguments)
        return call, 0

    if "gradient" in w:
        arguments = [torch.from_numpy(draw.standard_normal(s, dtype=np.float32)) for s in w["shapes"]]
        *inputs, cotangent = arguments
        for x in inputs:
            x.requires_grad_()
        function = wrap(GRADIENTS[w["gradient"]])

        def pull():
            y = function(*inputs)
            return y, *torch.autograd.grad(y, inputs, cotangent)
        return pull, 0

    if "parameters_of" in w:
        model, x, loss = PARAMETERS_OF[w["parameters_of"]](w, draw)
        parameters = list(model.parameters())
        loss_of = wrap(lambda x: loss(model(x)))

        def gradients():
            y = loss_of(x)
            return y, *torch.autograd.grad(y, parameters)
        return gradients, sum(math.prod(p.shape) for p in parameters)

    model, x, y = sample(w, draw)
    count = sum(math.prod(p.shape) for p in model.parameters())
    if w["optimizer"] is None:
        forward = wrap(model.eval())

        def infer():
            with torch.inference_mode():
                return forward(x)
        return infer, count

    update = optimizer(w["optimizer"], model.parameters())
    loss_of = wrap(lambda x, y: F.cross_entropy(model(x), y))

    def train():
        update.zero_grad(set_to_none=True)
        loss = loss_of(x, y)
        loss.backward()
        update.step()
        return loss
    return train, count


def wait(result):
    """PyTorch on a CPU has finished when it returns."""
