// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <utility>

#include "arch/builder.hpp"
#include "weights/bytes.hpp"

namespace enlarge {

Result<StateDict> blend(const StateDict& a, const StateDict& b, float share) {
    if (!(share >= 0 && share <= 1))
        return Error{Errc::argument, "a share of " + std::to_string(share) + "; expected 0 to 1"};
    for (const auto& [name, tensor] : b.tensors)
        if (!has(a, name)) return Error{Errc::argument, "only the second model has tensor '" + printable(name) + "'"};
    StateDict mixed;
    mixed.format = a.format;
    for (const auto& [name, tensor] : a.tensors) {
        const Tensor* other = find(b, name);
        if (!other) return Error{Errc::argument, "only the first model has tensor '" + printable(name) + "'"};
        if (other->shape != tensor.shape || other->values.size() != tensor.values.size())
            return Error{Errc::argument, "tensor '" + printable(name) + "' is " + shape_text(tensor.shape) +
                                             " in the first model and " + shape_text(other->shape) + " in the second"};
        Tensor& out = mixed.tensors[name];
        out.shape = tensor.shape;
        std::vector<float> values(tensor.values.size());
        for (std::size_t i = 0; i < values.size(); ++i)
            values[i] = (1 - share) * tensor.values[i] + share * other->values[i];
        out.values = std::move(values);
    }
    return mixed;
}

}  // namespace enlarge
