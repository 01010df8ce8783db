// SPDX-License-Identifier: Apache-2.0
// Runs a network of tensors over a tile.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "backend/cpu/tensors/network.hpp"

namespace enlarge::cpu::tensors {

// A node's result.
struct Tensor {
    const Layout* layout = nullptr;
    float* data = nullptr;

    [[nodiscard]] int channels() const { return layout->channels; }
    [[nodiscard]] int padded() const { return layout->padded; }
    [[nodiscard]] int width() const { return layout->width; }
    [[nodiscard]] int height() const { return layout->height; }
    // Pixel 0 of row y, and pixel x.
    [[nodiscard]] float* row(int y) const {
        return data + y * layout->row_floats + std::ptrdiff_t{layout->left} * layout->padded;
    }
    [[nodiscard]] float* pixel(int y, int x) const { return row(y) + std::ptrdiff_t{x} * layout->padded; }
};

// Memory of one thread, for whatever it does; what it holds is lost when more is asked for.
class Scratch {
public:
    float* floats(std::int64_t count) {
        const auto bytes = static_cast<std::size_t>(count) * sizeof(float);
        if (block_.bytes() < bytes) block_ = Block(bytes);
        return block_.as<float>();
    }
    [[nodiscard]] std::size_t bytes() const { return block_.bytes(); }

private:
    Block block_;
};

class Runner final : public Session {
public:
    Runner(std::shared_ptr<const Network> network, const ProgramInfo& info, const KernelTable& kernels, ThreadPool* pool);
    Result<TileReport> run(const TileJob& job) override;

private:
    friend struct Compute;

    Result<void> place(Size picture);
    void load(const TileJob& job);
    TileReport store(const TileJob& job);
    void compute(const Step& step, const TileJob& job);
    void compute_plainly(const Step& step, const TileJob& job);
    void clear_borders(const Tensor& tensor) const;

    [[nodiscard]] const Node& node(int i) const { return network_->graph.nodes()[static_cast<std::size_t>(i)]; }
    [[nodiscard]] Tensor tensor(int node) const;
    // Calls body(i, scratch) for 0 <= i < count on all threads, each i once.
    void parallel(std::int64_t count, const std::function<void(std::int64_t, Scratch&)>& body);

    std::shared_ptr<const Network> network_;
    const ProgramInfo& info_;
    const KernelTable& kernels_;
    ThreadPool* pool_;
    Size placed_{0, 0};
    Layouts layouts_;
    Block arena_;
    std::vector<float> zeros_;  // as long as the longest row
    std::vector<float> planes_;
    std::vector<Scratch> scratch_;
};

// The operations that have code of their own here, on pixels alone: see has_code().
struct Compute {
    Runner& run;
    const Step& step;
    Tensor out;
    std::vector<Tensor> in;

    [[nodiscard]] const Tensor& a() const { return in[0]; }
    [[nodiscard]] const Tensor& b() const { return in[1]; }
    [[nodiscard]] const KernelTable& kernels() const { return run.kernels_; }
    // Calls body(i, scratch) for 0 <= i < count on all threads, each i once.
    void parallel(std::int64_t count, const std::function<void(std::int64_t, Scratch&)>& body) const {
        run.parallel(count, body);
    }
    // Pixel 0 of a row of zeros as long as the first input's.
    [[nodiscard]] const float* zero_row() const {
        return run.zeros_.data() + std::ptrdiff_t{a().layout->left} * a().padded();
    }
    // Rows of the result, in parallel: body(y).
    void rows(const std::function<void(int)>& body) const {
        run.parallel(out.height(), [&](std::int64_t y, Scratch&) { body(static_cast<int>(y)); });
    }

    // convolutions.cpp
    void convolve() const;
    void direct(const Convolution& c) const;
    void winograd(const Convolution& c) const;
    void depthwise(const Convolution& c) const;
    void grouped(const Convolution& c) const;

    // pixels.cpp
    void operator()(const op::Prelu& op) const;
    void operator()(const op::LeakyRelu& op) const;
    void operator()(const op::Silu& op) const;
    void operator()(const op::Gelu& op) const;
    void operator()(const op::Mish& op) const;
    void operator()(const op::Sigmoid& op) const;
    void operator()(const op::Tanh& op) const;
    void operator()(const op::HardSwish& op) const;
    void operator()(const op::Clamp& op) const;
    void operator()(const op::Add& op) const;
    void operator()(const op::Multiply& op) const;
    void operator()(const op::Maximum& op) const;
    void operator()(const op::SpanGate& op) const;
    void operator()(const op::ScaleShift& op) const;
    void operator()(const op::Concat& op) const;
    void operator()(const op::Slice& op) const;
    void operator()(const op::PixelShuffle& op) const;
    void operator()(const op::PixelUnshuffle& op) const;
    void operator()(const op::UpsampleNearest& op) const;
    void operator()(const op::Crop& op) const;
    void operator()(const op::Roll& op) const;
    void operator()(const op::DynamicConv2d& op) const;

    // norms.cpp
    void operator()(const op::LayerNorm& op) const;
    void operator()(const op::RmsNorm& op) const;
    void operator()(const op::L2Norm& op) const;
    void operator()(const op::GroupNorm& op) const;
    void operator()(const op::InstanceNorm& op) const;
    void operator()(const op::GlobalMean& op) const;

    // attention.cpp
    void operator()(const op::WindowAttention& op) const;
    void operator()(const op::GridAttention& op) const;
    void operator()(const op::OverlapAttention& op) const;
    void operator()(const op::ChannelAttention& op) const;

    template <class T>
    void operator()(const T&) const {}  // has_code() says no
};

}  // namespace enlarge::cpu::tensors
