// SPDX-License-Identifier: Apache-2.0
#include "backend/vulkan/program.hpp"

#include <algorithm>
#include <limits>

#include "backend/cpu/cpu.hpp"
#include "backend/vulkan/session.hpp"
#include "graph/fields.hpp"

namespace enlarge::vulkan {
namespace {

const char* numbers_text(Numbers numbers) {
    switch (numbers) {
        case Numbers::fp32: return ", fp32";
        case Numbers::stored_fp16: return ", fp16 with fp32 sums";
        case Numbers::fp16: return ", fp16 with sums of fp16 and fp32";
        default: return ", fp16 with fp32 sums, products of matrices";
    }
}

ProgramInfo info_of(const Device& device, const Graph& graph, const Winograd& winograd, Numbers numbers) {
    ProgramInfo info;
    const int step = graph.size_multiple();
    const auto radius = graph.receptive_radius();
    info.scale = graph.scale();
    info.channels = graph.input_channels();
    info.size_multiple = step;
    // A halo that is cut to the multiple must still hold what a pixel sees.
    info.halo = radius ? (*radius + step - 1) / step * step : kWholePicture;
    info.alignment = step;
    info.precision = numbers == Numbers::fp32 ? Precision::fp32 : Precision::fp16;
    info.description = "vulkan " + device.facts().name + numbers_text(numbers) + ", node by node";
    if (winograd.weights.empty()) return info;
    info.halo = winograd.halo;
    info.alignment = winograd.alignment;
    info.description += ", Winograd F(4x4,3x3)";
    return info;
}

template <class Op, class... Ops>
constexpr bool is_one_of = (std::is_same_v<Op, Ops> || ...);

// Bytes of the most numbers that one field of an operation has.
template <class Op>
std::uint64_t largest(const Op& op) {
    std::uint64_t most = 0;
    for_each_field(op, [&](const auto& field) {
        if constexpr (std::is_same_v<std::decay_t<decltype(field)>, Values>)
            if (field) most = std::max<std::uint64_t>(most, field->size() * sizeof(float));
    });
    return most;
}

// Whether all that this operation's kernels do is to move numbers, or to compute each from a few in single precision.
bool in_half(const Node& node) {
    return std::visit(
        [](const auto& op) {
            using Op = std::decay_t<decltype(op)>;
            return is_one_of<Op, op::Input, op::Conv2d, op::ConvTranspose2d, op::DynamicConv2d, op::Prelu,
                             op::ScaleShift, op::LeakyRelu, op::Silu, op::Gelu, op::Mish, op::Sigmoid, op::HardSwish,
                             op::Tanh, op::Clamp, op::Add, op::Multiply, op::Maximum, op::SpanGate, op::LayerNorm,
                             op::RmsNorm, op::GroupNorm, op::InstanceNorm, op::GlobalMean, op::AveragePool,
                             op::MaxPool, op::Resize, op::UpsampleNearest, op::Pad, op::Crop, op::Roll, op::Slice,
                             op::Concat, op::Reshape, op::Transpose, op::PixelShuffle, op::PixelUnshuffle>;
        },
        node.op);
}

}  // namespace

std::string no_half(const Graph& graph, const Facts& facts) {
    if (!facts.half_storage) return facts.name + " has no 16-bit storage";
    for (const Node& node : graph.nodes())
        if (!in_half(node)) return "its " + std::string(node.name()) + " is computed in fp32 only";
    return {};
}

bool has_half_sums(const Graph& graph, const Facts& facts) {
    const auto sums = [](const Node& node) {
        const auto* conv = node.as<op::Conv2d>();
        return conv && conv->same_kernel() == 3;
    };
    return facts.half_arithmetic && std::any_of(graph.nodes().begin(), graph.nodes().end(), sums);
}

bool has_matrix_products(const Graph& graph, const Facts& facts) {
    return has_winograd(graph, facts, Numbers::matrix) || has_direct(graph, facts, Numbers::matrix);
}

std::int64_t VulkanProgram::memory_bytes(Size tile) const {
    constexpr std::int64_t too_much = std::int64_t{1} << 50;
    const auto plan = first().plan(tile);
    if (!plan.ok()) return plan.error().code == Errc::memory ? too_much : 0;
    const auto holds = [&](const auto& shared) {
        return shared->holds(*plan, static_cast<std::uint64_t>(shared->device->bytes.load())).ok();
    };
    const bool all = std::all_of(all_.begin(), all_.end(), holds);
    return all ? static_cast<std::int64_t>(first().bytes(*plan)) : too_much;
}

int VulkanProgram::frames_at_once(Size frame) const {
    const auto plan = first().plan(frame);
    if (facts().software() || !plan.ok()) return 1;
    constexpr std::uint64_t most = 3;
    const std::uint64_t all = first().room(static_cast<std::uint64_t>(first().device->bytes.load()));
    const std::uint64_t each = std::max<std::uint64_t>(first().bytes(*plan), 1);
    return static_cast<int>(std::clamp<std::uint64_t>(all / each, 1, most));
}

Result<std::unique_ptr<Session>> VulkanProgram::session() const {
    return make_session(all_[next_.fetch_add(1) % all_.size()]);
}

std::uint64_t Shared::room(std::uint64_t own) const {
    const std::uint64_t budget = budget_of(device->instance(), device->facts());
    return budget ? budget + own : device->facts().memory_bytes();
}

Result<void> Shared::holds(const tensors::Plan& plan, std::uint64_t own) const {
    const Facts& facts = device->facts();
    const auto too_large = [&](const std::string& what, std::uint64_t most) {
        return Error{Errc::memory, facts.name + ": " + what + "; at most " + std::to_string(most) + " are possible"};
    };
    for (const auto& sides : plan.sides)
        for (const std::int64_t side : sides)
            if (sides.size() == 3 && side > kMostSide)
                return too_large("a side of " + std::to_string(side) + " pixels", kMostSide);
    // A binding begins at up to one alignment before its tensor.
    const std::uint64_t range = facts.limits.maxStorageBufferRange / 4 * 4 - 256;
    const auto largest = static_cast<std::uint64_t>(plan.largest);
    const std::uint64_t most = std::min<std::uint64_t>(range / sizeof(float), std::numeric_limits<std::int32_t>::max());
    if (largest > most) return too_large("a tensor of " + std::to_string(largest) + " numbers", most);
    const std::uint64_t block = bytes(plan);
    if (facts.largest_allocation && block > facts.largest_allocation)
        return too_large("a block of " + std::to_string(block) + " bytes", facts.largest_allocation);
    if (block > room(own)) return too_large("a block of " + std::to_string(block) + " bytes", room(own));
    return {};
}

Result<const Program*> Shared::on_cpu() const {
    const std::lock_guard lock(mutex);
    if (!cpu) {
        CompileOptions options;
        options.precision = Precision::fp32;
        options.pool = pool;
        TRY(cpu, cpu_backend().compile(graph, options));
    }
    return static_cast<const Program*>(cpu.get());
}

namespace {

Result<std::shared_ptr<Shared>> on_device(std::shared_ptr<Device> device, const Graph& graph, ThreadPool* pool,
                                          Numbers numbers) {
    auto shared = std::make_shared<Shared>();
    shared->device = std::move(device);
    shared->graph = graph;
    shared->constants.add(graph);
    shared->fusion = tensors::fuse(graph);
    shared->winograd = add_winograd(graph, shared->device->facts(), shared->constants, numbers);
    shared->numbers = numbers;
    shared->info = info_of(*shared->device, graph, shared->winograd, numbers);
    shared->pool = pool;
    const auto& values = shared->constants.values;
    const std::uint64_t range = shared->device->facts().limits.maxStorageBufferRange - 256;
    std::uint64_t most = 0;
    for (const Node& node : graph.nodes())
        std::visit([&](const auto& op) { most = std::max(most, largest(op)); }, node.op);
    const bool other_form = !shared->winograd.weights.empty() || !shared->winograd.direct.empty();
    if (other_form) most *= 6;  // 36 numbers for 9, or halves with channels filled up
    if (most > range)
        return Error{Errc::unsupported, shared->device->facts().name + ": " + std::to_string(most) +
                                            " bytes of weights in one layer; at most " + std::to_string(range) +
                                            " are possible"};
    TRY(shared->weights,
        Buffer::create(shared->device, std::max<std::size_t>(values.size() * sizeof(float), 256), Buffer::Use::device));
    TRY(upload(shared->device, shared->weights, values.data(), values.size() * sizeof(float)));
    return shared;
}

}  // namespace

Result<std::unique_ptr<VulkanProgram>> make_program(const Devices& devices, const Graph& graph, ThreadPool* pool,
                                                    Numbers numbers) {
    TRY(graph.validate());
    if (graph.inputs() != 1)
        return Error{Errc::unsupported,
                     "Vulkan: a network with " + std::to_string(graph.inputs()) + " inputs; one picture is expected"};
    if (graph.output().channels != graph.input_channels())
        return Error{Errc::unsupported, "Vulkan: a network from " + std::to_string(graph.input_channels()) + " to " +
                                            std::to_string(graph.output().channels) + " channels"};
    std::vector<std::shared_ptr<Shared>> all;
    for (const std::shared_ptr<Device>& device : devices) {
        TRY(auto one, on_device(device, graph, pool, numbers));
        all.push_back(std::move(one));
    }
    if (all.size() > 1) all.front()->info.description += ", on " + std::to_string(all.size()) + " devices";
    return std::make_unique<VulkanProgram>(std::move(all));
}

}  // namespace enlarge::vulkan
