// SPDX-License-Identifier: Apache-2.0
#include "graph/hash.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <type_traits>

#include "graph/fields.hpp"
#include "graph/traits.hpp"

namespace enlarge {
namespace {

class Hasher {
public:
    Hasher() { XXH3_128bits_reset(&state_); }

    template <class T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
    void add(const T& number) { XXH3_128bits_update(&state_, &number, sizeof number); }
    void add(const Extent& side) {
        for (const std::int64_t number : {side.fixed, side.h, side.w, side.area, side.den}) add(number);
        if (side.floor) add(side.rest);
        if (side.times != 1) add(side.times);
    }
    void add(const Values& values) {
        add(values.count());
        if (values) XXH3_128bits_update(&state_, values->data(), values->size() * sizeof(float));
    }
    void add(std::string_view text) {
        add(text.size());
        XXH3_128bits_update(&state_, text.data(), text.size());
    }
    template <class T>
    void add(const std::vector<T>& list) {
        add(list.size());
        for (const T& item : list) add(item);
    }
    // Names, not positions in the variant: those move when an operation is added.
    void add(const Operation& op) {
        add(traits(op).name);
        std::visit([&](const auto& which) { for_each_field(which, [&](const auto& field) { add(field); }); }, op);
    }
    [[nodiscard]] GraphHash digest() const {
        const XXH128_hash_t digest = XXH3_128bits_digest(&state_);
        return {digest.high64, digest.low64};
    }

private:
    XXH3_state_t state_;
};

}  // namespace

GraphHash hash(const Graph& graph) {
    Hasher hasher;
    for (const Node& node : graph.nodes()) {
        hasher.add(node.op);
        hasher.add(node.inputs);
    }
    return hasher.digest();
}

GraphHash hash(const Operation& op) {
    Hasher hasher;
    hasher.add(op);
    return hasher.digest();
}

std::uint64_t hash(const Values& values) {
    return values ? XXH3_64bits(values->data(), values->size() * sizeof(float)) : 0;
}

}  // namespace enlarge
