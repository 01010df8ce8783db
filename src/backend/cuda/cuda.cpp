// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/cuda.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "backend/cuda/calibrate.hpp"
#include "backend/cuda/image.hpp"
#include "backend/cuda/program.hpp"
#include "backend/cuda/tensor_program.hpp"
#include "base/log.hpp"

namespace enlarge {
namespace cuda {
namespace {

constexpr int kOldestArchitecture = 75;
constexpr double kGateDb = 58;                // fp16 to fp32, see Precision
constexpr float kGateLargest = 1.0F / 255;
// On an unseen scene. Pictures can be harder: with 46.7 dB there, crops of real ones had 44.8 to 53; 45 are promised.
constexpr double kInt8GateDb = 47;

std::string architecture_name(int architecture) {
    if (architecture >= 100) return "Blackwell";
    if (architecture >= 90) return "Hopper";
    if (architecture == 89) return "Ada";
    if (architecture >= 80) return "Ampere";
    return architecture >= 75 ? "Turing" : "older than Turing";
}

class CudaBackend final : public Backend {
public:
    explicit CudaBackend(BackendOptions options) : options_(std::move(options)) { opened_->images = options_.images; }

    [[nodiscard]] std::string_view name() const override { return "cuda"; }
    [[nodiscard]] DeviceKind kind() const override { return DeviceKind::gpu; }

    std::vector<DeviceInfo> probe() const override {
        const auto unusable = [](std::string why) {
            DeviceInfo info{.id = "cuda", .name = "NVIDIA GPU", .detail = std::move(why), .kind = DeviceKind::gpu};
            info.fallback_to = "cpu";
            return std::vector<DeviceInfo>{std::move(info)};
        };
        if (options_.images.empty()) return unusable("this build has no CUDA kernels (it was made without nvcc, or only for the GPUs of a machine that has none)");
        const auto driver = this->driver();
        if (!driver.ok()) return unusable(driver.error().message);
        std::vector<DeviceInfo> found;
        for (int i = 0; i < (*driver)->devices; ++i) found.push_back(describe(**driver, i));
        return found;
    }

    Result<std::unique_ptr<Program>> compile(const Graph& graph, const CompileOptions& options) const override {
        if (options.precision == Precision::int16)
            return Error{Errc::unsupported, "CUDA has no precision int16; it has fp16, fp32 and int8"};
        if (options_.images.empty())
            return Error{Errc::device, "this build has no CUDA kernels (it was made without nvcc, or only for the GPUs of a machine that has none)"};
        TRY(const auto driver, this->driver());
        Devices devices;
        for (int i = 0; i < driver->devices; ++i) {
            if (options.device >= 0 && i != options.device) continue;
            const DeviceInfo info = describe(*driver, i);
            if (!info.usable) {
                if (options.device >= 0) return Error{Errc::device, info.id + ": " + info.detail};
                continue;
            }
            CuDevice device = 0;
            int major = 0, minor = 0;
            driver->device_get(&device, i);
            driver->device_attribute(&major, kCuAttributeMajor, device);
            driver->device_attribute(&minor, kCuAttributeMinor, device);
            devices.names.push_back(info.name);
            devices.architectures.push_back(major * 10 + minor);
            devices.openers.push_back([opened = opened_, driver, i] { return opened->open(driver, i); });
        }
        if (devices.openers.empty()) {
            if (options.device >= 0) TRY(opened_->open(driver, options.device));  // says what is there
            return Error{Errc::device, "no usable GPU"};
        }
        while (!devices.first) {
            auto opened = devices.openers[0]();
            if (opened.ok()) {
                devices.first = std::move(opened).value();
            } else if (devices.openers.size() == 1) {
                return std::move(opened).error();
            } else {
                log(LogLevel::notice, {"device-not-used", devices.names[0] + " is left out: " + opened.error().message});
                devices.openers.erase(devices.openers.begin());
                devices.names.erase(devices.names.begin());
                devices.architectures.erase(devices.architectures.begin());
            }
        }
        auto program = choose(graph, devices, options.precision);
        if (program.ok()) return std::unique_ptr<Program>(std::move(program).value());
        const bool exact = options.precision == Precision::automatic || options.precision == Precision::fp32;
        if (program.error().code != Errc::unsupported || !exact) return std::move(program).error();
        // No chain of convolutions: one plain kernel for each operation.
        return make_tensor_program(graph, devices.openers,
                                   describe_program(graph, devices.alone(), Precision::fp32, {}));
    }

private:
    // The GPUs of a program. Only the first is open: it decides what the others will compute as well.
    struct Devices {
        std::shared_ptr<Device> first;
        std::vector<DeviceOpener> openers;
        std::vector<std::string> names;
        std::vector<int> architectures;
        [[nodiscard]] Devices alone() const { return {first, {openers[0]}, {names[0]}, {architectures[0]}}; }
        template <class Holds>
        [[nodiscard]] bool all(Holds holds) const {
            for (std::size_t i = 0; i < openers.size(); ++i)
                if (!holds(i)) return false;
            return true;
        }
    };

    Result<std::shared_ptr<Driver>> driver() const {
        const std::lock_guard lock(mutex_);
        if (!driver_) {
            TRY(driver_, Driver::load(options_.library));
        }
        return driver_;
    }

    // The GPUs opened so far; programs share it, since they may open more after the backend is gone.
    struct Opened {
        std::vector<const void*> images;
        std::mutex mutex;
        std::map<int, std::shared_ptr<Device>> devices;

        Result<std::shared_ptr<Device>> open(const std::shared_ptr<Driver>& driver, int ordinal) {
            const std::lock_guard lock(mutex);
            if (const auto it = devices.find(ordinal); it != devices.end()) return it->second;
            TRY(auto device, Device::open(driver, ordinal, images));
            devices[ordinal] = device;
            return device;
        }
    };

    static DeviceInfo describe(const Driver& driver, int ordinal) {
        DeviceInfo info;
        info.id = "cuda:" + std::to_string(ordinal);
        info.kind = DeviceKind::gpu;
        info.fallback_to = "cpu";
        CuDevice device = 0;
        char name[256] = {};
        std::size_t bytes = 0;
        int major = 0, minor = 0;
        if (driver.device_get(&device, ordinal) != 0 || driver.device_name(name, sizeof name - 1, device) != 0 ||
            driver.device_memory(&bytes, device) != 0 || driver.device_attribute(&major, kCuAttributeMajor, device) != 0 ||
            driver.device_attribute(&minor, kCuAttributeMinor, device) != 0) {
            info.name = "NVIDIA GPU";
            info.detail = "the driver does not describe it";
            return info;
        }
        info.name = name;
        info.memory_bytes = static_cast<std::int64_t>(bytes);
        const int architecture = major * 10 + minor;
        const std::string arch = "sm_" + std::to_string(architecture) + " (" + architecture_name(architecture) + ")";
        if (architecture < kOldestArchitecture) {
            info.detail = arch + "; Turing (sm_75) or newer is needed";
            return info;
        }
        info.usable = true;
        info.precisions = {Precision::fp32, Precision::fp16, Precision::int8};
        info.takes_frames = true;
        info.detail = arch + ", driver for CUDA " + version_text(driver.version) + "; fp16, fp32, int8";
        if (driver.version / 1000 < kernel_toolkit_version() / 1000)
            info.detail += " (the kernels were built with CUDA " + version_text(kernel_toolkit_version()) + ", which it may refuse)";
        return info;
    }

    // Kernels that all GPUs of the program have: frames that they take in turn must not differ.
    static LowerOptions lower_options(const Devices& devices, bool half) {
        const Device& first = *devices.first;
        LowerOptions options;
        options.half = half;
        // GeForce cards multiply at full rate only when they sum in half precision.
        options.half_accumulation = half && first.kernel("conv64_f16acc").ok() && devices.all([&](std::size_t i) {
            return devices.names[i].find("GeForce") != std::string::npos && devices.architectures[i] / 10 != 10;
        });
        const char* hopper = std::getenv("ENLARGE_CUDA_HOPPER");  // 0: as on other GPUs
        options.hopper = half && !(hopper && std::string_view(hopper) == "0") && first.kernel("conv64_hopper").ok() && first.driver->tensor_map_tiled != nullptr &&
                         devices.all([&](std::size_t i) { return devices.architectures[i] == 90; });
        return options;
    }

    static ProgramInfo describe_program(const Graph& graph, const Devices& devices, Precision precision, const LowerOptions& options) {
        ProgramInfo info;
        info.scale = graph.scale();
        info.channels = graph.input_channels();
        info.size_multiple = graph.size_multiple();
        info.halo = graph.receptive_radius().value_or(kWholePicture);
        info.alignment = graph.size_multiple();
        info.precision = precision;
        info.description = "cuda";
        for (std::size_t i = 0; i < devices.names.size(); ++i) info.description += (i ? " + " : " ") + devices.names[i];
        info.description += ", " + std::string(precision_name(precision));
        if (options.half_accumulation) info.description += " with half-precision sums";
        if (options.hopper) info.description += " wgmma";
        return info;
    }

    static Result<std::unique_ptr<CudaProgram>> make(const Graph& graph, const Devices& devices, const LowerOptions& options) {
        const Precision precision = options.half ? Precision::fp16 : Precision::fp32;
        return CudaProgram::create(graph, devices.openers, options, describe_program(graph, devices, precision, options));
    }

    // The fastest path that is good enough for this model: tried on a small picture against the exact path.
    Result<std::unique_ptr<CudaProgram>> choose(const Graph& graph, const Devices& devices, Precision wanted) const {
        if (wanted == Precision::fp32) return make(graph, devices, lower_options(devices, false));
        if (wanted == Precision::int8) return choose_int8(graph, devices);
        LowerOptions options = lower_options(devices, true);
        TRY(auto program, make(graph, devices, options));
        if (options_.calibration_side == 0) return program;
        TRY(auto exact, make(graph, devices.alone(), lower_options(devices, false)));
        TRY(const Comparison first, compare(*exact, *program, options_.calibration_side, 1));
        Comparison quality = first;
        if (!quality.good() && options.half_accumulation) {
            options.half_accumulation = false;
            TRY(program, make(graph, devices, options));
            TRY(quality, compare(*exact, *program, options_.calibration_side, 1));
        }
        if (!quality.good() && wanted == Precision::automatic) return make(graph, devices, lower_options(devices, false));
        program->state()->info.calibration_psnr = quality.psnr;
        return program;
    }

    // 8 bits where the network has a body that can. Steps from made-up scenes, quality from another one; the last layers of
    // the body stay in half precision as far as that takes: what errs there is not smoothed by later ones.
    Result<std::unique_ptr<CudaProgram>> choose_int8(const Graph& graph, const Devices& devices) const {
        const std::vector<int> all = quantisable(graph);
        if (all.empty()) return Error{Errc::unsupported, "CUDA: precision int8 is for Compact networks of 64 features; this is another"};
        LowerOptions options = lower_options(devices, true);
        options.half_accumulation = false;
        TRY(const auto half, make(graph, devices.alone(), options));
        TRY(const auto exact, make(graph, devices.alone(), lower_options(devices, false)));
        const int multiple = half->info().size_multiple, side = (options_.scene_side + multiple - 1) / multiple * multiple;
        TRY(const Quantisation whole, calibrate(*half, all, {side, side}));
        const Image unseen = made_up_scene({side, side}, half->info().channels, 9);
        TRY(const Image truth, enlarged(*exact, unseen));
        double best = 0;
        for (const std::size_t eighths : {8U, 6U, 5U, 4U, 3U}) {
            const std::size_t count = std::max<std::size_t>(1, all.size() * eighths / 8);
            Quantisation part = whole;
            part.nodes.resize(count);
            part.steps.resize(count);
            options.quantisation = &part;
            ProgramInfo info = describe_program(graph, devices, Precision::int8, options);
            if (count < all.size()) info.description += " in " + std::to_string(count) + " of " + std::to_string(all.size()) + " layers";
            TRY(auto program, CudaProgram::create(graph, devices.openers, options, info));
            TRY(const Image got, enlarged(*program, unseen));
            const Comparison quality = compare(truth, got);
            if (quality.psnr >= kInt8GateDb) {
                program->state()->info.calibration_psnr = quality.psnr;
                return program;
            }
            best = std::max(best, quality.psnr);
        }
        char found[32];
        std::snprintf(found, sizeof found, "%.1f", best);
        return Error{Errc::unsupported, "CUDA: precision int8 reaches " + std::string(found) + " dB to fp32 with this model; " +
                                            std::to_string(static_cast<int>(kInt8GateDb)) + " are needed"};
    }

    struct Comparison {
        double psnr = 0;
        float largest = 0;
        [[nodiscard]] bool good() const { return psnr >= kGateDb && largest <= kGateLargest; }
    };

    // Gradients, edges and texture; the same for the same seed.
    static Image calibration_picture(const ProgramInfo& info, int wanted_side, std::uint32_t seed) {
        const int side = (wanted_side + info.size_multiple - 1) / info.size_multiple * info.size_multiple;
        Image picture({side, side}, {SampleType::f32, 32, static_cast<std::uint8_t>(info.channels), false});
        std::uint32_t noise = seed;
        for (int y = 0; y < side; ++y) {
            auto* row = reinterpret_cast<float*>(picture.view().row(0, y));
            for (int i = 0; i < side * info.channels; ++i) {
                const int x = i / info.channels, c = i % info.channels;
                noise = noise * 1664525u + 1013904223u;
                const float texture = static_cast<float>(noise >> 24) / 255.0F - 0.5F;
                const int edge = static_cast<int>(seed);
                const float shape = ((x / (4 + edge) + y / (6 + edge) + c) & 1) ? 0.75F : 0.2F;
                row[i] = 0.35F * shape + 0.3F * static_cast<float>(x + c * 3) / static_cast<float>(side + 6) +
                         0.2F + 0.2F * texture * static_cast<float>(y) / static_cast<float>(side);
            }
        }
        return picture;
    }

    static Result<Comparison> compare(const CudaProgram& exact, const CudaProgram& other, int wanted_side, std::uint32_t seed) {
        const Image in = calibration_picture(exact.info(), wanted_side, seed);
        TRY(const Image truth, enlarged(exact, in));
        TRY(const Image got, enlarged(other, in));
        return compare(truth, got);
    }

    // Empty when the result is not finite.
    static Result<Image> enlarged(const CudaProgram& program, const Image& in) {
        const int scale = program.info().scale;
        const Size size = in.size();
        Image out({size.width * scale, size.height * scale}, in.format());
        TRY(const auto session, program.session());
        TRY(const TileReport report, session->run({in.view(), {0, 0, size.width, size.height}, out.view()}));
        return report.finite ? std::move(out) : Image();
    }

    static Comparison compare(const Image& truth, const Image& got) {
        Comparison result;
        if (truth.empty() || got.empty()) return result;
        double sum = 0;
        const PixelFormat format = truth.format();
        const int planes = format.planar ? format.channels : 1, samples = truth.size().width * (format.planar ? 1 : format.channels);
        for (int p = 0; p < planes; ++p)
            for (int y = 0; y < truth.size().height; ++y) {
                const auto* a = reinterpret_cast<const float*>(truth.view().row(p, y));
                const auto* b = reinterpret_cast<const float*>(got.view().row(p, y));
                for (int i = 0; i < samples; ++i) {
                    const float d = std::fabs(std::fmin(std::fmax(a[i], 0.0F), 1.0F) - std::fmin(std::fmax(b[i], 0.0F), 1.0F));
                    sum += static_cast<double>(d) * d;
                    result.largest = std::fmax(result.largest, d);
                }
            }
        const double mean = sum / (static_cast<double>(samples) * truth.size().height * planes);
        result.psnr = mean > 0 ? -10 * std::log10(mean) : 150;
        return result;
    }

    BackendOptions options_;
    mutable std::mutex mutex_;
    mutable std::shared_ptr<Driver> driver_;
    std::shared_ptr<Opened> opened_ = std::make_shared<Opened>();
};

}  // namespace

std::unique_ptr<Backend> make_backend(const BackendOptions& options) { return std::make_unique<CudaBackend>(options); }

}  // namespace cuda

const Backend& cuda_backend() {
    // Never destroyed: when static objects are, the driver may have shut down already.
    static const Backend& backend = *[] {
        cuda::BackendOptions options;
        options.images = cuda::kernel_images();
        return cuda::make_backend(options).release();
    }();
    return backend;
}

}  // namespace enlarge
