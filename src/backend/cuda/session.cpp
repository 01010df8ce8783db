// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <list>

#include "backend/cuda/frames.hpp"
#include "backend/cuda/launch.hpp"
#include "backend/cuda/program.hpp"
#include "base/half.hpp"
#include "base/log.hpp"
#include "image/format.hpp"

namespace enlarge::cuda {
namespace {

constexpr std::size_t kMostPlans = 12;             // tiles at the borders of a picture have other sizes than inside
constexpr double kLongTile = 2e12;                 // multiplications; more than that is run in pieces that can be stopped
constexpr int kPieces = 24;

// How a picture lies in pinned memory and on the GPU: rows packed to 16 bytes, planes one after the other.
struct Staging {
    PixelFormat format;
    Size size;
    std::uint64_t pitch = 0;
    [[nodiscard]] int planes() const { return plane_count(format); }
    [[nodiscard]] std::uint64_t row_bytes() const {
        return static_cast<std::uint64_t>(size.width) * static_cast<std::uint64_t>(sample_bytes(format.sample)) *
               static_cast<std::uint64_t>(format.planar ? 1 : format.channels);
    }
    [[nodiscard]] std::uint64_t plane_bytes() const { return pitch * static_cast<std::uint64_t>(size.height); }
    [[nodiscard]] std::uint64_t bytes() const { return plane_bytes() * static_cast<std::uint64_t>(planes()); }
    friend bool operator==(const Staging&, const Staging&) = default;
};

Staging staging_of(const PixelFormat& format, Size size) {
    Staging s{format, size, 0};
    s.pitch = (s.row_bytes() + 15) / 16 * 16;
    return s;
}

DevicePixels device_pixels(const Staging& s, CuAddress at) {
    DevicePixels p{};
    for (int i = 0; i < s.planes(); ++i) {
        p.plane[i] = at + static_cast<std::uint64_t>(i) * s.plane_bytes();
        p.pitch[i] = static_cast<std::int64_t>(s.pitch);
    }
    constexpr std::array<PixelKind, 4> kinds{kPixelU8, kPixelU16, kPixelF16, kPixelF32};
    p.kind = kinds[static_cast<std::size_t>(s.format.sample)];
    p.channels = s.format.channels;
    p.planar = s.format.planar;
    p.width = s.size.width;
    p.height = s.size.height;
    p.scale = 1.0F / static_cast<float>(max_value(s.format));
    return p;
}

bool is_yuv(const DevicePixels& p) { return p.kind == kPixelNv12 || p.kind == kPixelP010; }

// Matrix of a colour space from its luma weights: rows are Y, U, V (U and V are -0.5 .. 0.5) of full-range RGB 0..1.
Result<std::array<double, 2>> luma_weights(std::uint8_t matrix) {
    switch (matrix) {
        case 1: return std::array<double, 2>{0.2126, 0.0722};
        case 4: return std::array<double, 2>{0.30, 0.11};
        case 5:
        case 6: return std::array<double, 2>{0.299, 0.114};
        case 7: return std::array<double, 2>{0.212, 0.087};
        case 9: return std::array<double, 2>{0.2627, 0.0593};
        default: return Error{Errc::unsupported, "CUDA: colour matrix " + std::to_string(matrix)};
    }
}

// How kernels see an NV12 or P010 frame: reading (to RGB) or writing (from RGB).
Result<DevicePixels> frame_pixels(const FrameFormat& format, Size size, const std::uint64_t (&plane)[2],
                                  const std::int64_t (&pitch)[2], bool writing) {
    const bool nv12 = format.bits == 8 && !format.high_bits, p010 = format.bits == 10 && format.high_bits;
    if (format.family != FrameFamily::yuv || !format.semi_planar || format.alpha || format.sub_x != 1 || format.sub_y != 1 || !(nv12 || p010))
        return Error{Errc::unsupported, "CUDA: frames must be NV12 or P010"};
    if (format.tags.siting != ChromaSiting::left && format.tags.siting != ChromaSiting::center)
        return Error{Errc::unsupported, "CUDA: chroma must lie left or in the centre"};
    DevicePixels p{};
    for (int i = 0; i < 2; ++i) {
        p.plane[i] = plane[i];
        p.pitch[i] = pitch[i];
    }
    p.kind = nv12 ? kPixelNv12 : kPixelP010;
    p.channels = 3;
    p.width = size.width;
    p.height = size.height;
    const double top = nv12 ? 255 : 1023;
    p.scale = static_cast<float>(1 / top);
    p.chroma_x = format.tags.siting == ChromaSiting::left ? 0.0F : 0.5F;
    p.chroma_y = 0.5F;
    TRY(const auto weights, luma_weights(format.tags.matrix));
    const double kr = weights[0], kb = weights[1], kg = 1 - kr - kb, unit = nv12 ? 1 : 4;
    const bool full = format.tags.range == Range::full;
    const double y_scale = (full ? top : 219 * unit) / top, y_shift = (full ? 0 : 16 * unit) / top;
    const double c_scale = (full ? top : 224 * unit) / top, c_shift = 128 * unit / top;
    const double to_yuv[3][3] = {{kr, kg, kb},
                                 {-0.5 * kr / (1 - kb), -0.5 * kg / (1 - kb), 0.5},
                                 {0.5, -0.5 * kg / (1 - kr), -0.5 * kb / (1 - kr)}};
    if (writing) {
        for (int r = 0; r < 3; ++r) {
            for (int c = 0; c < 3; ++c) p.matrix[r * 4 + c] = static_cast<float>(to_yuv[r][c] * (r ? c_scale : y_scale));
            p.matrix[r * 4 + 3] = static_cast<float>(r ? c_shift : y_shift);
        }
    } else {
        const double from_u[3] = {0, -2 * kb * (1 - kb) / kg, 2 * (1 - kb)}, from_v[3] = {2 * (1 - kr), -2 * kr * (1 - kr) / kg, 0};
        for (int r = 0; r < 3; ++r) {
            p.matrix[r * 4] = static_cast<float>(1 / y_scale);
            p.matrix[r * 4 + 1] = static_cast<float>(from_u[r] / c_scale);
            p.matrix[r * 4 + 2] = static_cast<float>(from_v[r] / c_scale);
            p.matrix[r * 4 + 3] = static_cast<float>(-y_shift / y_scale - (from_u[r] + from_v[r]) * c_shift / c_scale);
        }
    }
    return p;
}

// An NV12 or P010 frame of the host, packed in pinned memory.
struct FrameStaging {
    std::int64_t pitch = 0;
    std::uint64_t rows[2] = {0, 0}, row_bytes = 0;
    [[nodiscard]] std::uint64_t offset(int plane) const { return plane ? static_cast<std::uint64_t>(pitch) * rows[0] : 0; }
    [[nodiscard]] std::uint64_t bytes() const { return static_cast<std::uint64_t>(pitch) * (rows[0] + rows[1]); }
};
FrameStaging frame_staging(const GpuFrame& frame) {
    FrameStaging s;
    if (frame.on_device) return s;
    s.row_bytes = static_cast<std::uint64_t>((frame.size.width + 1) / 2 * 2) * (frame.format.bits > 8 ? 2 : 1);
    s.pitch = static_cast<std::int64_t>((s.row_bytes + 15) / 16 * 16);
    s.rows[0] = static_cast<std::uint64_t>(frame.size.height);
    s.rows[1] = static_cast<std::uint64_t>((frame.size.height + 1) / 2);
    return s;
}

// One kernel launch with all numbers filled in.
struct Launch {
    CuFunction function = nullptr;
    Shape shape;
    alignas(64) std::array<std::byte, 640> parameters{};
};

struct Plan {
    Staging in, out;
    Rect core;
    DevicePixels source{}, target{};  // the pictures as kernels see them
    Arena arena;
    std::vector<Launch> launches;
    CuGraphExec graph = nullptr;
    bool graph_failed = false;
    int ran = 0;
};

class CudaSession final : public FrameSession {
public:
    CudaSession(std::shared_ptr<const ProgramState> program, const Resident& resident)
        : program_(std::move(program)), device_(resident.device), constants_(resident.constants.address()),
          driver_(*device_->driver), pinned_in_(device_), pinned_out_(device_) {}
    ~CudaSession() override {
        const Current current = device_->current();
        if (stream_) driver_.stream_synchronize(stream_);
        drop_plans();
        if (stream_) driver_.stream_destroy(stream_);
    }

    Result<void> begin() {
        const Current current = device_->current();
        TRY(driver_.check(driver_.stream_create(&stream_, kCuStreamNonBlocking), "creating a stream"));
        return pinned_flags_.reserve(64);
    }

    Result<TileReport> run(const TileJob& job) override {
        TRY(check_job(job));
        const std::int64_t limit = program_->too_large.load();
        if (limit == 0 || pixels(job.in.size) < limit) {
            auto report = run_whole(job);
            if (report.ok() || report.error().code != Errc::memory) return report;
            return run_halves(job, std::move(report).error());
        }
        return run_halves(job, Error{Errc::memory, "GPU memory does not hold a tile of " + std::to_string(job.in.size.width) +
                                                       "x" + std::to_string(job.in.size.height)});
    }

    [[nodiscard]] void* stream() const override { return stream_; }
    [[nodiscard]] void* context() const override { return device_->context; }

    Result<TileReport> run_frame(const GpuFrame& in, const GpuFrame& out) override {
        const ProgramInfo& info = program_->info;
        ENSURE(in.size.width % info.size_multiple == 0 && in.size.height % info.size_multiple == 0);
        ENSURE(out.size.width == in.size.width * info.scale && out.size.height == in.size.height * info.scale);
        if (info.channels != 3) return Error{Errc::unsupported, "CUDA: frames need a network for RGB"};
        const Current current = device_->current();
        const FrameStaging from = frame_staging(in), to = frame_staging(out);
        Plan plan;
        plan.in.size = in.size;
        plan.out.size = out.size;
        plan.core = {0, 0, in.size.width, in.size.height};
        plan.arena = plan_arena(program_->lowered, in.size, from.bytes(), to.bytes());
        if (plan.arena.bytes > memory_.bytes() || from.bytes() > pinned_in_.bytes() || to.bytes() > pinned_out_.bytes()) {
            drop_plans();
            TRY(pinned_in_.reserve(from.bytes()));
            TRY(pinned_out_.reserve(to.bytes()));
            if (plan.arena.bytes > memory_.bytes()) {
                memory_ = DeviceMemory();
                TRY(memory_, DeviceMemory::allocate(device_, plan.arena.bytes));
            }
        }
        const CuAddress base = memory_.address();
        const auto pixels_of = [&](const GpuFrame& frame, const FrameStaging& s, CuAddress at, bool writing) {
            if (frame.on_device) return frame_pixels(frame.format, frame.size, frame.plane, frame.pitch_bytes, writing);
            return frame_pixels(frame.format, frame.size, {at, at + s.offset(1)}, {s.pitch, s.pitch}, writing);
        };
        TRY(plan.source, pixels_of(in, from, base + plan.arena.in, false));
        TRY(plan.target, pixels_of(out, to, base + plan.arena.out, true));
        for (const Step& step : program_->lowered.steps) TRY(add_launch(plan, step));
        const auto host_row = [](const GpuFrame& f, int p, std::uint64_t y) {
            return reinterpret_cast<std::byte*>(f.plane[p]) + f.pitch_bytes[p] * static_cast<std::int64_t>(y);
        };
        const auto each_row = [&](const FrameStaging& s, auto&& copy) {
            for (int p = 0; p < 2; ++p)
                for (std::uint64_t y = 0; y < s.rows[p]; ++y) copy(p, y, s.offset(p) + y * static_cast<std::uint64_t>(s.pitch));
        };
        if (!in.on_device) {
            each_row(from, [&](int p, std::uint64_t y, std::uint64_t at) { std::memcpy(pinned_in_.data() + at, host_row(in, p, y), from.row_bytes); });
            TRY(driver_.check(driver_.copy_to_device_async(base + plan.arena.in, pinned_in_.data(), from.bytes(), stream_), "copying to the GPU"));
        }
        TRY(driver_.check(driver_.fill_async(base + plan.arena.flags, 0, 64, stream_), "clearing GPU memory"));
        for (Launch& l : plan.launches) TRY(launch(l));
        if (!out.on_device)
            TRY(driver_.check(driver_.copy_to_host_async(pinned_out_.data(), base + plan.arena.out, to.bytes(), stream_), "copying from the GPU"));
        TRY(driver_.check(driver_.copy_to_host_async(pinned_flags_.data(), base + plan.arena.flags, 64, stream_), "copying from the GPU"));
        TRY(driver_.check(driver_.stream_synchronize(stream_), "running the network on the GPU"));
        if (!out.on_device)
            each_row(to, [&](int p, std::uint64_t y, std::uint64_t at) { std::memcpy(host_row(out, p, y), pinned_out_.data() + at, to.row_bytes); });
        std::uint32_t flags = 0;
        std::memcpy(&flags, pinned_flags_.data(), sizeof flags);
        return TileReport{flags == 0};
    }

    // See observe().
    Result<std::vector<std::vector<float>>> observe(const TileJob& job, const std::vector<int>& convolutions) {
        const Current current = device_->current();
        TRY(Plan* const plan, plan_for(job));
        copy_in(job.in, *plan);
        TRY(before(*plan));
        std::vector<std::vector<float>> largest(convolutions.size());
        PinnedMemory copy(device_);
        for (std::size_t i = 0; i < plan->launches.size(); ++i) {
            const Step& step = program_->lowered.steps[i];
            const auto it = std::find(convolutions.begin(), convolutions.end(), step.conv);
            if (it != convolutions.end()) {
                const View& v = step.in;
                const std::size_t plane = static_cast<std::size_t>(pixels(job.in.size)) * static_cast<std::size_t>(v.num * v.num / v.den / v.den);
                const std::size_t bytes = plane * static_cast<std::size_t>(v.slices()) * 16;
                TRY(copy.reserve(bytes));
                const CuAddress from = memory_.address() + plan->arena.buffer[static_cast<std::size_t>(v.buffer)] +
                                       static_cast<std::uint64_t>(v.first_slice) * plane * 16;
                TRY(driver_.check(driver_.copy_to_host_async(copy.data(), from, bytes, stream_), "copying from the GPU"));
                TRY(driver_.check(driver_.stream_synchronize(stream_), "running the network on the GPU"));
                auto& most = largest[static_cast<std::size_t>(it - convolutions.begin())];
                most.assign(static_cast<std::size_t>(v.channels), 0.0F);
                const auto* halves = reinterpret_cast<const std::uint16_t*>(copy.data());
                for (std::size_t c = 0; c < most.size(); ++c)
                    for (std::size_t p = 0; p < plane; ++p)
                        most[c] = std::max(most[c], std::fabs(half_to_float(halves[(c / 8 * plane + p) * 8 + c % 8])));
            }
            TRY(launch(plan->launches[i]));
        }
        TRY(driver_.check(driver_.stream_synchronize(stream_), "running the network on the GPU"));
        return largest;
    }

private:
    static std::int64_t pixels(Size s) { return static_cast<std::int64_t>(s.width) * s.height; }

    Result<void> check_job(const TileJob& job) const {
        const ProgramInfo& info = program_->info;
        const Rect& core = job.core;
        ENSURE(job.in.size.width > 0 && job.in.size.height > 0 && core.width > 0 && core.height > 0);
        ENSURE(core.x >= 0 && core.y >= 0 && core.right() <= job.in.size.width && core.bottom() <= job.in.size.height);
        ENSURE(job.in.format.channels == info.channels && job.out.format.channels == info.channels);
        ENSURE(job.out.size.width == core.width * info.scale && job.out.size.height == core.height * info.scale);
        ENSURE(job.in.size.width % info.size_multiple == 0 && job.in.size.height % info.size_multiple == 0);
        return {};
    }

    Result<TileReport> run_whole(const TileJob& job) {
        const Current current = device_->current();
        if (job.progress && *job.progress && !(*job.progress)(0)) return Error{Errc::cancelled, "stopped"};
        TRY(Plan* const plan, plan_for(job));
        copy_in(job.in, *plan);
        const double work = program_->macs_per_pixel * static_cast<double>(pixels(job.in.size));
        if (job.progress && *job.progress && work > kLongTile)
            TRY(run_in_pieces(*plan, *job.progress));
        else
            TRY(start(*plan));
        TRY(driver_.check(driver_.stream_synchronize(stream_), "running the network on the GPU"));
        std::uint32_t flags = 0;
        std::memcpy(&flags, pinned_flags_.data(), sizeof flags);
        copy_out(*plan, job.out);
        return TileReport{flags == 0};
    }

    // Two tiles instead of one that did not fit.
    Result<TileReport> run_halves(const TileJob& job, Error error) {
        const int step = program_->info.size_multiple, halo = (program_->info.halo + step - 1) / step * step;
        const bool wide = job.core.width >= job.core.height;
        const int side = wide ? job.core.width : job.core.height, origin = wide ? job.core.x : job.core.y;
        // The cut must lie where a tile may begin.
        const int cut = (origin + side / 2) / step * step - origin;
        if (cut <= 0) return error;
        std::int64_t known = program_->too_large.load();
        const std::int64_t mine = pixels(job.in.size);
        while ((known == 0 || mine < known) && !program_->too_large.compare_exchange_weak(known, mine)) {
        }
        if (!program_->said_memory.exchange(true))
            log(LogLevel::notice, device_->name + ": not enough memory for a tile of " + std::to_string(job.in.size.width) + "x" +
                                      std::to_string(job.in.size.height) + "; going on with smaller ones");
        TileReport report;
        for (const bool second : {false, true}) {
            Rect core = job.core;
            (wide ? core.width : core.height) = second ? side - cut : cut;
            if (second) (wide ? core.x : core.y) += cut;
            const int left = std::max(0, core.x - halo) / step * step, top = std::max(0, core.y - halo) / step * step;
            const auto up = [&](int v, int most) { return std::min(most, (v + halo + step - 1) / step * step); };
            const Rect in{left, top, up(core.right(), job.in.size.width) - left, up(core.bottom(), job.in.size.height) - top};
            if (in.size() == job.in.size) return error;  // all halo: no smaller tile can give the same pixels
            TileJob half;
            half.in = job.in.part(in);
            half.core = {core.x - in.x, core.y - in.y, core.width, core.height};
            const int scale = program_->info.scale;
            half.out = job.out.part({(core.x - job.core.x) * scale, (core.y - job.core.y) * scale, core.width * scale, core.height * scale});
            half.progress = job.progress;
            TRY(const TileReport part, run(half));
            report.finite = report.finite && part.finite;
        }
        return report;
    }

    void drop_plans() {
        for (Plan& plan : plans_)
            if (plan.graph) driver_.graph_exec_destroy(plan.graph);
        plans_.clear();
    }

    // The plan for this size and format: an earlier one, or a new one. Grows memory when it must.
    Result<Plan*> plan_for(const TileJob& job) {
        const Staging in = staging_of(job.in.format, job.in.size), out = staging_of(job.out.format, job.out.size);
        for (auto it = plans_.begin(); it != plans_.end(); ++it)
            if (it->in == in && it->out == out && it->core == job.core) {
                plans_.splice(plans_.begin(), plans_, it);
                return &plans_.front();
            }
        Plan plan;
        plan.in = in;
        plan.out = out;
        plan.core = job.core;
        plan.arena = plan_arena(program_->lowered, job.in.size, in.bytes(), out.bytes());
        const bool grow = plan.arena.bytes > memory_.bytes();
        if (grow || in.bytes() > pinned_in_.bytes() || out.bytes() > pinned_out_.bytes()) {
            drop_plans();  // they hold addresses that are about to change
            TRY(pinned_in_.reserve(in.bytes()));
            TRY(pinned_out_.reserve(out.bytes()));
            if (grow) {
                memory_ = DeviceMemory();
                TRY(memory_, DeviceMemory::allocate(device_, plan.arena.bytes));
            }
        }
        if (plans_.size() >= kMostPlans) {
            if (plans_.back().graph) driver_.graph_exec_destroy(plans_.back().graph);
            plans_.pop_back();
        }
        plan.source = device_pixels(in, memory_.address() + plan.arena.in);
        plan.target = device_pixels(out, memory_.address() + plan.arena.out);
        for (const Step& step : program_->lowered.steps) TRY(add_launch(plan, step));
        plans_.push_front(std::move(plan));
        return &plans_.front();
    }

    template <class Parameters>
    Result<void> add(Plan& plan, const Step& step, const Shape& shape, const Parameters& parameters) {
        static_assert(sizeof(Parameters) <= sizeof(Launch::parameters));
        Launch launch;
        TRY(launch.function, device_->kernel(step.kernel));
        launch.shape = shape;
        std::memcpy(launch.parameters.data(), &parameters, sizeof parameters);
        plan.launches.push_back(launch);
        return {};
    }

    Result<void> add_launch(Plan& plan, const Step& step) {
        const Size tile = plan.in.size;
        const CuAddress base = memory_.address();
        const int processors = device_->multiprocessors;
        const auto width = [&](const View& v) { return tile.width * v.num / v.den; };
        const auto height = [&](const View& v) { return tile.height * v.num / v.den; };
        const auto plane = [&](const View& v) { return static_cast<std::uint64_t>(width(v)) * static_cast<std::uint64_t>(height(v)); };
        const auto address = [&](const View& v) -> std::uint64_t {
            if (v.buffer < 0) return 0;
            const auto b = static_cast<std::size_t>(v.buffer);
            return base + plan.arena.buffer[b] + static_cast<std::uint64_t>(v.first_slice) * plane(v) *
                                                     static_cast<std::uint64_t>(program_->lowered.buffers[b].slice_bytes_per_pixel);
        };
        const CuAddress weights = constants_ + step.weights, bias = constants_ + step.bias;
        const auto whole = [&](const View& v) {
            return RowWork{height(v), width(v), 0, height(v), 0, kStripWidth, (width(v) + kStripWidth - 1) / kStripWidth, 0};
        };
        const DevicePixels &in = plan.source, &out = plan.target;
        const std::uint64_t flags = base + plan.arena.flags;

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
                p.inverse_steps = step.s8_out ? constants_ + step.factors : 0;
                return add(plan, step, shape_first(p), p);
            }
            case Step::Kind::rows: {
                ConvRows p{address(step.in), address(step.out), weights, bias, whole(step.in), step.in.slices(), step.out.slices()};
                const Shape shape = shape_rows(p, step.chunks, step.warps, processors);
                return add(plan, step, shape, p);
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
                return add(plan, step, shape, p);
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
                return add(plan, step, shape, p);
            }
            case Step::Kind::conv_plain: {
                const ConvPlain p{address(step.in), address(step.out), weights, bias, height(step.out), width(step.out),
                                  step.in_channels, step.out_channels, step.kernel_size};
                return add(plan, step, shape_items(static_cast<std::int64_t>(plane(step.out)) * step.out.slices(), processors), p);
            }
            case Step::Kind::pointwise: {
                const Pointwise p{step.op, address(step.in), address(step.in2), address(step.out), weights, bias,
                                  step.alpha, step.beta[0], height(step.out), width(step.out), step.out.channels};
                return add(plan, step, shape_items(static_cast<std::int64_t>(plane(step.out)) * step.out.slices(), processors), p);
            }
            case Step::Kind::move: {
                const Move p{step.op, address(step.in), address(step.out), step.factor, step.out_channels, step.out_first,
                             height(step.out), width(step.out), height(step.in), width(step.in)};
                return add(plan, step, shape_items(static_cast<std::int64_t>(plane(step.out)) * step.out_channels, processors), p);
            }
            case Step::Kind::load: {
                const LoadPixels p{in, address(step.out), step.factor, step.out_channels};
                return add(plan, step, shape_items(static_cast<std::int64_t>(plane(step.out)) * step.out.slices(), processors), p);
            }
            case Step::Kind::store: {
                const int scale = program_->info.scale;
                const StorePixels p{address(step.in), height(step.in), width(step.in), plan.core.x * scale, plan.core.y * scale, out, flags};
                return add(plan, step, shape_items(pixels(plan.out.size), processors), p);
            }
            case Step::Kind::rows_s8: {
                const ConvS8 q{address(step.in), address(step.out), weights, constants_ + step.factors, whole(step.in), !step.s8_out};
                ConvS8 p = q;
                const Shape shape = shape_s8(p, processors);
                return add(plan, step, shape, p);
            }
            case Step::Kind::hopper: {
                ConvHopper p{};
                p.weights = weights;
                p.bias_slope = bias;
                return add_hopper(plan, step, p, 8, address(step.in), address(step.out), {width(step.in), height(step.in)});
            }
            case Step::Kind::hopper_s8: {
                ConvS8Hopper p{};
                p.weights = weights;
                p.factors = constants_ + step.factors;
                return add_hopper(plan, step, p, 4, address(step.in), address(step.out), {width(step.in), height(step.in)});
            }
        }
        ENSURE(!"a step that the session does not know");
        return {};
    }

    // A Hopper kernel: tensor maps for TMA, which fills in the zeros around the picture and drops what lies outside.
    // `slices` of 16 bytes per pixel.
    template <class Parameters>
    Result<void> add_hopper(Plan& plan, const Step& step, Parameters& p, int slices, std::uint64_t in, std::uint64_t out, Size size) {
        const bool half = slices == 8;
        const auto w = static_cast<std::uint64_t>(size.width), h = static_cast<std::uint64_t>(size.height);
        const std::uint32_t inner = half ? 8 : 16;
        const std::uint64_t dims[4] = {inner, w, h, static_cast<std::uint64_t>(slices)};
        const std::uint64_t strides[3] = {16, 16 * w, 16 * w * h};
        const std::uint32_t ones[4] = {1, 1, 1, 1};
        const auto encode = [&](std::uint64_t* map, std::uint64_t at, int pixels_wide) {
            const std::uint32_t box[4] = {inner, static_cast<std::uint32_t>(pixels_wide), 1, static_cast<std::uint32_t>(slices)};
            return driver_.check(driver_.tensor_map_tiled(map, half ? kCuTensorFloat16 : kCuTensorUint8, 4, reinterpret_cast<void*>(at),
                                                          dims, strides, box, ones, 0, 0, 0, 0),
                                 "describing a tensor to the copy engine");
        };
        TRY(encode(p.in_map, in, kHopperStrip + 2));
        TRY(encode(p.out_map, out, kHopperStrip));
        return add(plan, step, shape_hopper(p, slices, size, device_->multiprocessors), p);
    }

    Result<void> launch(Launch& l) {
        void* parameters[] = {l.parameters.data()};
        return driver_.check(driver_.launch(l.function, static_cast<unsigned>(l.shape.blocks), 1, 1,
                                            static_cast<unsigned>(l.shape.threads), 1, 1,
                                            static_cast<unsigned>(l.shape.shared_bytes), stream_, parameters, nullptr),
                             "launching a kernel");
    }
    Result<void> before(const Plan& plan) {
        const CuAddress base = memory_.address();
        TRY(driver_.check(driver_.copy_to_device_async(base + plan.arena.in, pinned_in_.data(), plan.in.bytes(), stream_),
                          "copying to the GPU"));
        return driver_.check(driver_.fill_async(base + plan.arena.flags, 0, 64, stream_), "clearing GPU memory");
    }
    Result<void> after(const Plan& plan) {
        const CuAddress base = memory_.address();
        TRY(driver_.check(driver_.copy_to_host_async(pinned_out_.data(), base + plan.arena.out, plan.out.bytes(), stream_),
                          "copying from the GPU"));
        return driver_.check(driver_.copy_to_host_async(pinned_flags_.data(), base + plan.arena.flags, 64, stream_),
                             "copying from the GPU");
    }
    Result<void> enqueue(Plan& plan) {
        TRY(before(plan));
        for (Launch& l : plan.launches) TRY(launch(l));
        return after(plan);
    }

    // Enqueues all work of a tile: the first time one by one, from the second time on as one graph.
    Result<void> start(Plan& plan) {
        if (++plan.ran < 2 || plan.graph_failed) return enqueue(plan);
        if (!plan.graph) {
            TRY(driver_.check(driver_.capture_begin(stream_, kCuCaptureThreadLocal), "recording a graph"));
            const Result<void> recorded = enqueue(plan);
            CuGraph graph = nullptr;
            const CuResult ended = driver_.capture_end(stream_, &graph);
            TRY(recorded);
            if (ended != 0 || driver_.graph_instantiate(&plan.graph, graph, 0) != 0) {
                plan.graph = nullptr;
                plan.graph_failed = true;
            }
            if (graph) driver_.graph_destroy(graph);
            if (plan.graph_failed) return enqueue(plan);
        }
        return driver_.check(driver_.graph_launch(plan.graph, stream_), "launching a graph");
    }

    Result<void> run_in_pieces(Plan& plan, const std::function<bool(double)>& progress) {
        TRY(before(plan));
        const std::size_t count = plan.launches.size(), piece = std::max<std::size_t>(1, count / kPieces);
        for (std::size_t i = 0; i < count; ++i) {
            TRY(launch(plan.launches[i]));
            if ((i + 1) % piece != 0) continue;
            TRY(driver_.check(driver_.stream_synchronize(stream_), "running the network on the GPU"));
            if (!progress(static_cast<double>(i + 1) / static_cast<double>(count))) return Error{Errc::cancelled, "stopped"};
        }
        return after(plan);
    }

    void copy_in(const ImageView& from, const Plan& plan) const {
        std::byte* to = pinned_in_.data();
        for (int p = 0; p < plan.in.planes(); ++p)
            for (int y = 0; y < plan.in.size.height; ++y, to += plan.in.pitch) std::memcpy(to, from.row(p, y), plan.in.row_bytes());
    }
    void copy_out(const Plan& plan, const MutableImageView& to) const {
        const std::byte* from = pinned_out_.data();
        for (int p = 0; p < plan.out.planes(); ++p)
            for (int y = 0; y < plan.out.size.height; ++y, from += plan.out.pitch) std::memcpy(to.row(p, y), from, plan.out.row_bytes());
    }

    std::shared_ptr<const ProgramState> program_;
    std::shared_ptr<Device> device_;
    CuAddress constants_;
    const Driver& driver_;
    CuStream stream_ = nullptr;
    DeviceMemory memory_;
    PinnedMemory pinned_in_, pinned_out_, pinned_flags_{device_};
    std::list<Plan> plans_;  // most recently used first
};

}  // namespace

Result<std::vector<std::vector<float>>> observe(const CudaProgram& program, const ImageView& picture, const std::vector<int>& convolutions) {
    CudaSession session(program.state(), program.state()->residents[0]);
    TRY(session.begin());
    const int scale = program.info().scale;
    Image out({picture.size.width * scale, picture.size.height * scale}, picture.format);
    return session.observe({picture, {0, 0, picture.size.width, picture.size.height}, out.view()}, convolutions);
}

Result<std::unique_ptr<Session>> make_session(std::shared_ptr<const ProgramState> program, const Resident& resident) {
    auto session = std::make_unique<CudaSession>(std::move(program), resident);
    TRY(session->begin());
    return std::unique_ptr<Session>(std::move(session));
}

}  // namespace enlarge::cuda
