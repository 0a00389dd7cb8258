"""The workloads: shapes, layers, losses, optimizers. `martlet bench` has the same ones.

A training workload times the whole step: forward, backward, update. Models are written in each
framework's own idiom, images NCHW in PyTorch and NHWC in JAX. Where the two differ in a definition,
PyTorch's holds (batch norm keeps running statistics in PyTorch's and in Martlet's ResNet-20).
"""

WORKLOADS = {
    "mlp_tiny": dict(model="mlp", sizes=(4, 16, 3), batch=16, optimizer="sgd"),
    "mlp": dict(model="mlp", sizes=(784, 512, 256, 10), batch=128, optimizer="adam"),
    "mlp_wide": dict(model="mlp", sizes=(1024, 2048, 2048, 1000), batch=256, optimizer="adam"),
    "lenet5": dict(model="lenet5", batch=64, optimizer="momentum"),
    "resnet20": dict(model="resnet20", batch=32, optimizer="momentum"),
    "lstm": dict(model="lstm", steps=64, batch=32, hidden=256, vocabulary=65, optimizer="adam"),
    "gru": dict(model="gru", steps=64, batch=32, hidden=256, vocabulary=65, optimizer="adam"),
    "lstm_small": dict(parameters_of="lstm_small", steps=128, batch=8, hidden=64),
    "transformer": dict(model="transformer", tokens=128, batch=8, width=256, heads=4, layers=4,
                        vocabulary=512, optimizer="adam"),
    "attention2k": dict(gradient="attention", shapes=((1, 8, 2048, 64),) * 4),
    "chain64k": dict(function="chain", shapes=((1 << 16,),) * 3),
    "chain16m": dict(function="chain", shapes=((1 << 24,),) * 3),
    "layernorm": dict(function="layernorm", shapes=((4096, 1024), (1024,), (1024,))),
    "softmax": dict(function="softmax", shapes=((4096, 1024),)),
    "gemm512": dict(function="gemm", shapes=((512, 512),) * 2),
    "gemm1024": dict(function="gemm", shapes=((1024, 1024),) * 2),
    "vgg_infer": dict(model="vgg16", batch=1, optimizer=None),
}

# Learning rates: they change no time, but a run must stay finite.
RATES = {"sgd": 0.01, "momentum": 0.01, "adam": 1e-3}
MOMENTUM = 0.9
ADAM = dict(beta1=0.9, beta2=0.999, epsilon=1e-8)

# Convolutions of each stage of VGG-16; a 2 × 2 max pool closes a stage.
VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
# (channels out, stride) of the nine blocks of ResNet-20.
RESNET20 = tuple((16 << s, 2 if s and not i else 1) for s in range(3) for i in range(3))
