// SPDX-License-Identifier: Apache-2.0
#include "arch/builder.hpp"
#include "arch/families.hpp"

namespace enlarge {
namespace {

struct Family {
    bool (*matches)(const StateDict&);
    Result<Network> (*build)(const StateDict&);
};

constexpr Family kFamilies[] = {
    {is_compact, build_compact},
    {is_rrdb, build_rrdb},
    {is_span, build_span},
};

}  // namespace

Result<Network> recognise(const StateDict& weights) {
    for (const Family& family : kFamilies)
        if (family.matches(weights)) return family.build(weights);
    if (weights.tensors.empty()) return Error{Errc::format, "the file holds no tensors"};
    const std::string name = refused_family(weights);
    if (!name.empty())
        return Error{Errc::unsupported,
                     "this seems to be " + name + "; only Compact (SRVGG), RRDB (ESRGAN) and SPAN networks are supported"};
    const auto& [key, tensor] = *weights.tensors.begin();
    return Error{Errc::unsupported, "not a Compact (SRVGG), RRDB (ESRGAN) or SPAN network: " +
                                        std::to_string(weights.tensors.size()) + " tensors, the first is '" + key + "' (" +
                                        shape_text(tensor.shape) + ")"};
}

}  // namespace enlarge
