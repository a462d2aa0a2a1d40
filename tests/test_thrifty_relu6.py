import torch

from fidip.models.pose import ThriftyReLU6


def test_thrifty_relu6_has_the_gradients_of_relu6():
    values = torch.tensor([-1.0, 0.0, 0.5, 5.9, 6.0, 7.0]).repeat(2, 3, 1).requires_grad_()
    ours, theirs = (values * 1.0, values * 1.0)  # in-place layers need a result, not a leaf
    results = ThriftyReLU6(inplace=True)(ours), torch.nn.ReLU6()(theirs)
    assert torch.equal(*results) and results[0].data_ptr() == ours.data_ptr()
    weights = torch.randn(values.shape)
    gradients = [torch.autograd.grad((result * weights).sum(), values)[0] for result in results]
    assert torch.equal(*gradients)
    with torch.no_grad():
        assert torch.equal(ThriftyReLU6()(values * 1.0), results[1])
