"""The workloads in JAX: one jit over the whole step, state donated, NHWC."""
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, nn

from workloads import ADAM, MOMENTUM, RATES, RESNET20, VGG16

VERSIONS = {"jax": jax.__version__}


class Draw:
    """Inputs and first weights from one seed."""

    def __init__(self):
        self.source = np.random.default_rng(0)

    def normal(self, *shape, deviation=1.0):
        return jnp.asarray(self.source.standard_normal(shape, dtype=np.float32) * np.float32(deviation))

    def integers(self, bound, *shape):
        return jnp.asarray(self.source.integers(0, bound, shape))

    def dense(self, inputs, outputs):
        return dict(w=self.normal(inputs, outputs, deviation=(2 / inputs) ** 0.5), b=jnp.zeros(outputs))

    def filter(self, size, inputs, outputs):
        return self.normal(size, size, inputs, outputs, deviation=(2 / (size * size * inputs)) ** 0.5)


def affine(x, p):
    return x @ p["w"] + p["b"]


def conv(x, w, stride=1, padding="SAME"):
    # Explicit borders: "SAME" of a strided convolution would pad on one side only.
    if padding == "SAME":
        border = w.shape[0] // 2
        padding = ((border, border), (border, border))
    return lax.conv_general_dilated(
        x, w, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def normalized(x, axes, p, epsilon=1e-5):
    mean = x.mean(axes, keepdims=True)
    variance = x.var(axes, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + epsilon) * p["scale"] + p["bias"]


def norm(size):
    return dict(scale=jnp.ones(size), bias=jnp.zeros(size))


# Each model: (parameters, apply, input, labels).

def mlp(w, draw):
    sizes = w["sizes"]
    layers = [draw.dense(a, b) for a, b in zip(sizes, sizes[1:])]

    def apply(layers, x):
        for p in layers[:-1]:
            x = nn.relu(affine(x, p))
        return affine(x, layers[-1])
    return layers, apply, draw.normal(w["batch"], sizes[0]), draw.integers(sizes[-1], w["batch"])


def lenet5(w, draw):
    p = dict(conv1=draw.filter(5, 1, 6), bias1=jnp.zeros(6), conv2=draw.filter(5, 6, 16),
             bias2=jnp.zeros(16), dense=[draw.dense(400, 120), draw.dense(120, 84), draw.dense(84, 10)])

    def apply(p, x):
        x = pool(nn.relu(conv(x, p["conv1"]) + p["bias1"]))
        x = pool(nn.relu(conv(x, p["conv2"], padding="VALID") + p["bias2"]))
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(affine(x, p["dense"][0]))
        return affine(nn.relu(affine(x, p["dense"][1])), p["dense"][2])
    return p, apply, draw.normal(w["batch"], 28, 28, 1), draw.integers(10, w["batch"])


def resnet20(w, draw):
    def unit(size, inputs, outputs):
        return dict(w=draw.filter(size, inputs, outputs), **norm(outputs))

    blocks, inputs = [], 16
    p = dict(first=unit(3, 3, 16), blocks=blocks, dense=draw.dense(64, 10))
    for outputs, stride in RESNET20:
        block = dict(a=unit(3, inputs, outputs), b=unit(3, outputs, outputs))
        if stride != 1 or inputs != outputs:
            block["shortcut"] = unit(1, inputs, outputs)
        blocks.append(block)
        inputs = outputs

    def apply_unit(x, u, stride=1):
        return normalized(conv(x, u["w"], stride), (0, 1, 2), u)

    def apply(p, x):
        x = nn.relu(apply_unit(x, p["first"]))
        for block, (_, stride) in zip(p["blocks"], RESNET20):
            y = apply_unit(nn.relu(apply_unit(x, block["a"], stride)), block["b"])
            x = nn.relu(y + (apply_unit(x, block["shortcut"], stride) if "shortcut" in block else x))
        return affine(x.mean((1, 2)), p["dense"])
    return p, apply, draw.normal(w["batch"], 32, 32, 3), draw.integers(10, w["batch"])


def vgg16(w, draw):
    stages, inputs = [], 3
    for stage in VGG16:
        stages.append([])
        for outputs in stage:
            stages[-1].append(dict(w=draw.filter(3, inputs, outputs), b=jnp.zeros(outputs)))
            inputs = outputs
    p = dict(stages=stages, dense=[
        draw.dense(512 * 7 * 7, 4096), draw.dense(4096, 4096), draw.dense(4096, 1000)])

    def apply(p, x):
        for stage in p["stages"]:
            for c in stage:
                x = nn.relu(conv(x, c["w"]) + c["b"])
            x = pool(x)
        x = nn.relu(affine(x.reshape(x.shape[0], -1), p["dense"][0]))
        return affine(nn.relu(affine(x, p["dense"][1])), p["dense"][2])
    return p, apply, draw.normal(w["batch"], 224, 224, 3), None


def lstm_states(gates, weight):
    """Shares of the inputs [T, B, 4 H] to hidden states [T, B, H]."""
    def cell(state, gate):
        hidden, memory = state
        i, f, g, o = jnp.split(gate + hidden @ weight, 4, -1)
        memory = nn.sigmoid(f) * memory + nn.sigmoid(i) * jnp.tanh(g)
        hidden = nn.sigmoid(o) * jnp.tanh(memory)
        return (hidden, memory), hidden
    zero = jnp.zeros((gates.shape[1], weight.shape[0]))
    return lax.scan(cell, (zero, zero), gates)[1]


def lstm(w, draw):
    h, v = w["hidden"], w["vocabulary"]
    p = dict(embedding=draw.normal(v, h), input=draw.normal(h, 4 * h, deviation=0.06),
             hidden=draw.normal(h, 4 * h, deviation=0.06), bias=jnp.zeros(4 * h), out=draw.dense(h, v))

    def apply(p, tokens):
        gates = (p["embedding"][tokens] @ p["input"] + p["bias"]).swapaxes(0, 1)
        states = lstm_states(gates, p["hidden"])
        return affine(states.swapaxes(0, 1), p["out"]).reshape(-1, v)
    shape = (w["batch"], w["steps"])
    return p, apply, draw.integers(v, *shape), draw.integers(v, shape[0] * shape[1])


def gru(w, draw):
    h, v = w["hidden"], w["vocabulary"]
    p = dict(embedding=draw.normal(v, h), input=draw.normal(h, 3 * h, deviation=0.06),
             hidden=draw.normal(h, 3 * h, deviation=0.06), bias=jnp.zeros(3 * h),
             hidden_bias=jnp.zeros(3 * h), out=draw.dense(h, v))

    def apply(p, tokens):
        gates = (p["embedding"][tokens] @ p["input"] + p["bias"]).swapaxes(0, 1)

        def cell(hidden, gate):
            ri, zi, ni = jnp.split(gate, 3, -1)
            rh, zh, nh = jnp.split(hidden @ p["hidden"] + p["hidden_bias"], 3, -1)
            r, z = nn.sigmoid(ri + rh), nn.sigmoid(zi + zh)
            hidden = (1 - z) * jnp.tanh(ni + r * nh) + z * hidden
            return hidden, hidden
        _, states = lax.scan(cell, jnp.zeros((tokens.shape[0], h)), gates)
        return affine(states.swapaxes(0, 1), p["out"]).reshape(-1, v)
    shape = (w["batch"], w["steps"])
    return p, apply, draw.integers(v, *shape), draw.integers(v, shape[0] * shape[1])


def transformer(w, draw):
    width, heads, tokens, v = w["width"], w["heads"], w["tokens"], w["vocabulary"]
    p = dict(embedding=draw.normal(v, width), position=draw.normal(tokens, width, deviation=0.02),
             norm=norm(width), out=draw.dense(width, v), blocks=[dict(
                 norm1=norm(width), norm2=norm(width), qkv=draw.dense(width, 3 * width),
                 projection=draw.dense(width, width), up=draw.dense(width, 4 * width),
                 down=draw.dense(4 * width, width)) for _ in range(w["layers"])])
    causal = jnp.tril(jnp.ones((tokens, tokens), bool))

    def attention(b, x):
        split = affine(x, b["qkv"]).reshape(*x.shape[:2], 3, heads, width // heads)
        q, k, values = jnp.moveaxis(split, 2, 0)
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / (width // heads) ** 0.5
        weights = nn.softmax(jnp.where(causal, scores, -1e9))
        return affine(jnp.einsum("bhqk,bkhd->bqhd", weights, values).reshape(x.shape), b["projection"])

    def apply(p, x):
        x = p["embedding"][x] + p["position"]
        for b in p["blocks"]:
            x = x + attention(b, normalized(x, -1, b["norm1"]))
            y = nn.gelu(affine(normalized(x, -1, b["norm2"]), b["up"]), approximate=False)
            x = x + affine(y, b["down"])
        return affine(normalized(x, -1, p["norm"]), p["out"]).reshape(-1, v)
    shape = (w["batch"], tokens)
    return p, apply, draw.integers(v, *shape), draw.integers(v, shape[0] * tokens)


MODELS = dict(mlp=mlp, lenet5=lenet5, resnet20=resnet20, vgg16=vgg16, lstm=lstm, gru=gru,
              transformer=transformer)
FUNCTIONS = {
    "chain": lambda a, b, c: nn.sigmoid(a * b + c) * a + nn.relu(c) * 0.5,
    "layernorm": lambda x, scale, bias: normalized(x, -1, dict(scale=scale, bias=bias)),
    "softmax": lambda x: nn.softmax(x),
    "gemm": lambda a, b: a @ b,
}


def causal_attention(q, k, v):
    """[B, H, T, D]; on a CPU nn.dot_product_attention is this formula too."""
    length = q.shape[2]
    scores = jnp.einsum("bhqd,bhkd->bhqk", q, k) / q.shape[3] ** 0.5
    weights = nn.softmax(jnp.where(jnp.tril(jnp.ones((length, length), bool)), scores, -1e9))
    return jnp.einsum("bhqk,bhkd->bhqd", weights, v)


# Functions whose gradients are wanted: of all arguments but the last, which is the result's cotangent.
GRADIENTS = {"attention": causal_attention}


def small_lstm(w, draw):
    h = w["hidden"]
    # Two biases, as everybody's layer has them.
    p = dict(input=draw.normal(h, 4 * h, deviation=0.06), hidden=draw.normal(h, 4 * h, deviation=0.06),
             input_bias=jnp.zeros(4 * h), hidden_bias=jnp.zeros(4 * h))

    def loss(p, x):
        gates = x @ p["input"] + p["input_bias"] + p["hidden_bias"]
        return jnp.mean(lstm_states(gates, p["hidden"]) ** 2)
    return p, draw.normal(w["steps"], w["batch"], h), loss


# Parameters, an input and a scalar: that, and its gradients by all parameters, are wanted.
PARAMETERS_OF = {"lstm_small": small_lstm}


def cross_entropy(logits, y):
    return -jnp.mean(jnp.take_along_axis(nn.log_softmax(logits), y[:, None], 1))


def zeros(p):
    return jax.tree.map(jnp.zeros_like, p)


def first_state(name, p):
    return dict(sgd=lambda: (), momentum=lambda: zeros(p),
                adam=lambda: (zeros(p), zeros(p), jnp.float32(0)))[name]()


def updated(name, p, g, state):
    rate = RATES[name]
    if name == "sgd":
        return jax.tree.map(lambda p, g: p - rate * g, p, g), state
    if name == "momentum":
        state = jax.tree.map(lambda m, g: MOMENTUM * m + g, state, g)
        return jax.tree.map(lambda p, m: p - rate * m, p, state), state
    b1, b2, epsilon = ADAM["beta1"], ADAM["beta2"], ADAM["epsilon"]
    m, v, t = state
    t = t + 1
    m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, g)
    v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, v, g)
    c1, c2 = 1 - b1 ** t, 1 - b2 ** t
    p = jax.tree.map(lambda p, m, v: p - rate * (m / c1) / (jnp.sqrt(v / c2) + epsilon), p, m, v)
    return p, (m, v, t)


def build(w, threads, compiled):
    """A step to call, and how many parameters it has."""
    draw = Draw()
    if "function" in w:
        arguments = [draw.normal(*shape) for shape in w["shapes"]]
        function = jax.jit(FUNCTIONS[w["function"]])
        return (lambda: function(*arguments)), 0
    if "gradient" in w:
        arguments = [draw.normal(*shape) for shape in w["shapes"]]

        def pull(*arguments):
            y, back = jax.vjp(GRADIENTS[w["gradient"]], *arguments[:-1])
            return y, *back(arguments[-1])
        jitted = jax.jit(pull)
        return (lambda: jitted(*arguments)), 0
    if "parameters_of" in w:
        p, x, loss = PARAMETERS_OF[w["parameters_of"]](w, draw)
        jitted = jax.jit(jax.value_and_grad(loss))
        return (lambda: jitted(p, x)), sum(leaf.size for leaf in jax.tree.leaves(p))
    p, apply, x, y = MODELS[w["model"]](w, draw)
    count = sum(leaf.size for leaf in jax.tree.leaves(p))
    if w["optimizer"] is None:
        forward = jax.jit(apply)
        return (lambda: forward(p, x)), count

    def step(p, state, x, y):
        loss, g = jax.value_and_grad(lambda p: cross_entropy(apply(p, x), y))(p)
        p, state = updated(w["optimizer"], p, g, state)
        return p, state, loss
    jitted = jax.jit(step, donate_argnums=(0, 1))
    now = [p, first_state(w["optimizer"], p)]
    del p

    def train():
        now[0], now[1], loss = jitted(*now, x, y)
        return loss
    return train, count


def wait(result):
    jax.block_until_ready(result)
