// SPDX-License-Identifier: Apache-2.0
// From the steps of a lowered network to launches with all addresses and sizes.
#include <algorithm>
#include <cstring>

#include "backend/cuda/session.hpp"

namespace enlarge::cuda {
namespace {

// A Hopper kernel: tensor maps for TMA, which fills in the zeros around the picture and drops what lies outside.
// `slices` of 16 bytes per pixel.
template <class Parameters>
Result<Launch> hopper_launch(const Device& device, const std::string& kernel, Parameters& p, int slices,
                             std::uint64_t in, std::uint64_t out, Size size) {
    const auto w = static_cast<std::uint64_t>(size.width), h = static_cast<std::uint64_t>(size.height);
    const std::uint64_t dims[3] = {2 * w, h, static_cast<std::uint64_t>(slices)};
    const std::uint64_t strides[2] = {16 * w, 16 * w * h};
    const std::uint32_t ones[3] = {1, 1, 1};
    const auto encode = [&](std::uint64_t* map, std::uint64_t at, int pixels_wide, int box_slices) {
        const std::uint32_t box[3] = {2 * static_cast<std::uint32_t>(pixels_wide), 1,
                                      static_cast<std::uint32_t>(box_slices)};
        return device.driver->check(
            device.driver->tensor_map_tiled(map, kCuTensorUint64, 3, reinterpret_cast<void*>(at), dims, strides, box,
                                            ones, 0, 0, 0, 0),
            "describing a tensor to the copy engine");
    };
    TRY(encode(p.in_map, in, kHopperStrip, 1));
    TRY(encode(p.edge_map, in, 2, 1));
    TRY(encode(p.out_map, out, kHopperStrip, slices));
    const Shape shape = shape_hopper(p, slices, size, device.multiprocessors);
    return launch_of(device, kernel, shape, p);
}

}  // namespace

Result<Launch> make_launch(const Device& device, const Lowered& lowered, CuAddress constants, CuAddress memory, const Plan& plan,
                       const Step& step, int scale) {
    const Size tile = plan.tile;
    const int processors = device.multiprocessors;
    const auto width = [&](const View& v) { return tile.width * v.num / v.den; };
    const auto height = [&](const View& v) { return tile.height * v.num / v.den; };
    const auto plane = [&](const View& v) { return static_cast<std::uint64_t>(width(v)) * static_cast<std::uint64_t>(height(v)); };
    const auto address = [&](const View& v) -> std::uint64_t {
        if (v.buffer < 0) return 0;
        const auto b = static_cast<std::size_t>(v.buffer);
        return memory + plan.arena.buffer[b] + static_cast<std::uint64_t>(v.first_slice) * plane(v) *
                                                 static_cast<std::uint64_t>(lowered.buffers[b].slice_bytes_per_pixel);
    };
    const CuAddress weights = constants + step.weights, bias = constants + step.bias;
    const auto whole = [&](const View& v) {
        return RowWork{height(v), width(v), 0, height(v), 0, kStripWidth, (width(v) + kStripWidth - 1) / kStripWidth, 0};
    };
    const DevicePixels &in = plan.source, &out = plan.target;
    const std::uint64_t flags = memory + plan.arena.flags;

    switch (step.kind) {
        case Step::Kind::first: {
            ConvFirst p{};
            p.in = in;
            p.out = address(step.out);
            p.weights = weights;
            p.bias_slope = bias;
            std::copy(std::begin(step.scale), std::end(step.scale), p.scale);
            std::copy(std::begin(step.shift), std::end(step.shift), p.shift);
            p.out_slices = step.out.slices();
            p.inverse_steps = step.s8_out ? constants + step.factors : 0;
            return launch_of(device, step.kernel, shape_first(p), p);
        }
        case Step::Kind::rows: {
            ConvRows p{address(step.in), address(step.out), weights, bias, whole(step.in), step.in.slices(), step.out.slices()};
            const Shape shape = shape_rows(p, step.chunks, step.warps, processors);
            return launch_of(device, step.kernel, shape, p);
        }
        case Step::Kind::last: {
            ConvLast p{};
            p.in = address(step.in);
            p.weights = weights;
            p.bias = bias;
            const int ratio = step.in.num / step.in.den;  // of the last convolution's input to the picture
            p.work = whole(step.in);
            p.work.row_first = plan.core.y * ratio;
            p.work.rows = plan.core.height * ratio;
            p.work.col_first = p.core_x = plan.core.x * ratio;
            p.work.strips = (plan.core.width * ratio + kStripWidth - 1) / kStripWidth;
            if (is_yuv(out)) {
                if (step.factor % 2) return Error{Errc::unsupported, "CUDA: NV12 and P010 from a last layer of odd scale"};
                if (out.chroma_x == 0) {  // chroma needs the column before: strips overlap by one
                    p.work.col_first -= 1;
                    p.work.col_step = kStripWidth - 1;
                    p.work.strips = (plan.core.width * ratio + kStripWidth - 2) / (kStripWidth - 1);
                }
            }
            p.in_slices = step.in.slices();
            p.factor = step.factor;
            p.residual = step.with_residual;
            p.source = in;
            p.out = out;
            p.flags = flags;
            const Shape shape = shape_last(p, step.chunks, processors);
            return launch_of(device, step.kernel, shape, p);
        }
        case Step::Kind::stream: {
            ConvStream p{};
            p.in = address(step.in);
            p.out = address(step.out);
            p.weights = weights;
            p.bias_slope = bias;
            for (int i = 0; i < 2; ++i) {
                p.residual[i] = address(step.residual[i]);
                p.beta[i] = step.beta[i];
            }
            p.alpha = step.alpha;
            p.height = height(step.out);
            p.width = width(step.out);
            p.up = step.up;
            p.in_slices = step.in.slices();
            p.out_slices = step.out.slices();
            p.chunks = step.chunks;
            p.taps = step.taps;
            p.activation = step.activation;
            const Shape shape = shape_stream(p, step.tiles);
            return launch_of(device, step.kernel, shape, p);
        }
        case Step::Kind::conv_plain: {
            const ConvPlain p{address(step.in), address(step.out), weights, bias, height(step.out), width(step.out),
                              step.in_channels, step.out_channels, step.kernel_size};
            const auto pixels = static_cast<std::int64_t>(plane(step.out));
            return launch_of(device, step.kernel,
                             step.kernel == "conv_plain_f32" ? shape_float(pixels, p.out_channels, processors)
                                                             : shape_items(pixels * step.out.slices(), processors),
                             p);
        }
        case Step::Kind::pointwise: {
            const Pointwise p{step.op, address(step.in), address(step.in2), address(step.out), weights, bias,
                              step.alpha, step.beta[0], height(step.out), width(step.out), step.out.channels};
            return launch_of(device, step.kernel, shape_items(static_cast<std::int64_t>(plane(step.out)) * step.out.slices(), processors), p);
        }
        case Step::Kind::move: {
            const Move p{step.op, address(step.in), address(step.out), step.factor, step.out_channels, step.out_first,
                         height(step.out), width(step.out), height(step.in), width(step.in)};
            return launch_of(device, step.kernel, shape_items(static_cast<std::int64_t>(plane(step.out)) * step.out_channels, processors), p);
        }
        case Step::Kind::load: {
            const LoadPixels p{in, address(step.out), step.factor, step.out_channels};
            return launch_of(device, step.kernel, shape_items(static_cast<std::int64_t>(plane(step.out)) * step.out.slices(), processors), p);
        }
        case Step::Kind::store: {
            const StorePixels p{address(step.in), height(step.in), width(step.in), plan.core.x * scale, plan.core.y * scale, out, flags};
            return launch_of(device, step.kernel, shape_items(static_cast<std::int64_t>(out.width) * out.height, processors), p);
        }
        case Step::Kind::rows_s8: {
            const ConvS8 q{address(step.in), address(step.out), weights, constants + step.factors, whole(step.in), !step.s8_out};
            ConvS8 p = q;
            const Shape shape = shape_s8(p, processors);
            return launch_of(device, step.kernel, shape, p);
        }
        case Step::Kind::hopper: {
            ConvHopper p{};
            p.weights = weights;
            p.bias_slope = bias;
            p.upwards = step.upwards;
            return hopper_launch(device, step.kernel, p, 8, address(step.in), address(step.out), {width(step.in), height(step.in)});
        }
        case Step::Kind::hopper_s8: {
            ConvS8Hopper p{};
            p.weights = weights;
            p.factors = constants + step.factors;
            p.upwards = step.upwards;
            return hopper_launch(device, step.kernel, p, 4, address(step.in), address(step.out), {width(step.in), height(step.in)});
        }
    }
    return Error{Errc::internal, "a step that the session does not know"};
}

}  // namespace enlarge::cuda
