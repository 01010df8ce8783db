// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/cpu.hpp"

#include <malloc.h>

#include <cstdio>
#include <optional>

#include "backend/cpu/calibrate.hpp"
#include "backend/cpu/precision_cache.hpp"
#include "backend/cpu/session.hpp"
#include "backend/cpu/tensors/network.hpp"
#include "base/cpu.hpp"
#include "base/log.hpp"

namespace enlarge {
namespace {

using cpu::Element;
using cpu::LoweredNetwork;

class CpuProgram final : public Program {
public:
    CpuProgram(std::shared_ptr<const LoweredNetwork> network, const KernelTable& kernels, ThreadPool* pool, ProgramInfo info)
        : network_(std::move(network)), kernels_(kernels), pool_(pool), info_(std::move(info)) {}

    [[nodiscard]] const ProgramInfo& info() const override { return info_; }

    [[nodiscard]] std::int64_t memory_bytes(Size tile) const override {
        const int multiple = network_->size_multiple;
        const Size size{(tile.width + multiple - 1) / multiple * multiple, (tile.height + multiple - 1) / multiple * multiple};
        cpu::Schedule schedule;
        const int threads = pool_ ? pool_->size() : 1;
        schedule.plan(*network_, size, {0, 0, size.width, size.height}, threads, true);
        return static_cast<std::int64_t>(schedule.row_bytes() + cpu::shared_scratch_bytes(*network_) +
                                         static_cast<std::size_t>(threads) * cpu::scratch_bytes(*network_, kernels_));
    }

    Result<std::unique_ptr<Session>> session() const override {
        return std::unique_ptr<Session>(std::make_unique<cpu::Runner>(network_, kernels_, pool_));
    }

private:
    std::shared_ptr<const LoweredNetwork> network_;
    const KernelTable& kernels_;
    ThreadPool* pool_;
    ProgramInfo info_;
};

// What a faster path must reach on the calibration pictures to be taken: a little more than what is promised for any.
struct Gate {
    const char* name;
    double psnr;
    float largest;
};
constexpr Gate kHalfGate{"fp16", 60, 0.6F}, kHalfPromise{"fp16", 58, 2};
constexpr Gate kIntegerGate{"int16", 52, 3.5F}, kIntegerPromise{"int16", 48, 6};
// Of rows of halves in int16's place: photographs were seen to go four times as far in single pixels.
constexpr Gate kRowsGate{"int16", 52, 1.5F};

bool is_within(const cpu::Fidelity& fidelity, const Gate& gate) {
    return fidelity.psnr >= gate.psnr && fidelity.largest <= gate.largest;
}
bool is_within_gate(Precision precision, const cpu::Fidelity& fidelity) {
    return is_within(fidelity, precision == Precision::int16 ? kIntegerGate : kHalfGate);
}

constexpr std::int64_t kManyParameters = 4'000'000;

// Packed weights beyond this many bytes are not held in two precisions at once.
constexpr std::size_t kKeptTwice = std::size_t{64} << 20;

struct Compilation {
    const Graph& graph;
    const CompileOptions& options;
    Isa isa;
    const KernelTable& table;

    Result<std::unique_ptr<Program>> run() const {
        const bool automatic = options.precision == Precision::automatic;
        const bool keeps = automatic && !options.cache_folder.empty();
        const cpu::PrecisionKey key = keeps ? cpu::precision_key(graph, isa, table) : cpu::PrecisionKey{};
        const std::filesystem::path file =
            keeps ? cpu::precision_file(options.cache_folder, key) : std::filesystem::path();
        const auto keep = [&](const cpu::KeptPrecision& kept) {
            if (keeps) cpu::store_precision(file, key, kept);
        };
        if (keeps) {
            if (const auto known = cpu::load_precision(file, key, is_within_gate)) {
                auto again = as_before(*known);
                if (again.ok() && *again) return again;
            }
        }
        if (options.precision == Precision::fp32) return exact_program();
        const bool integers = !table.fast_terms && (automatic ? table.fast_i16 : options.precision == Precision::int16);
        TRY(std::shared_ptr<const LoweredNetwork> exact, lower_calibrated());

        // Try the paths that were asked for on a few small pictures.
        cpu::Calibration calibration(*exact, table, options.pool, graph.macs_per_pixel());
        TRY(const bool finite, calibration.run(exact));
        if (automatic && !finite) return exact_program(std::move(exact));
        if (integers) {
            // A large network is not kept twice: it is made again should int16 be refused.
            if (automatic ? exact->weight_bytes > kKeptTwice : true) exact.reset();
            auto integer = lower({Element::f16, &calibration.transform_abs_max(), nullptr, options.pool});
            if (integer) {
                TRY(const cpu::Fidelity fidelity, calibration.fidelity(*integer));
                if (!automatic) say_if_broken(fidelity, kIntegerPromise);
                if (!automatic || passes(fidelity, kIntegerGate)) {
                    keep({Precision::int16, fidelity, calibration.transform_abs_max(), calibration.probe()});
                    return program(*integer, fidelity, Precision::int16);
                }
            } else if (!automatic) {
                return std::move(integer).error();
            }
        }
        if (!exact) {
            TRY(exact, lower_calibrated());
        }
        std::optional<Error> refused;
        std::shared_ptr<const LoweredNetwork> last;  // that was measured
        cpu::Fidelity off;
        const Gate& promise = options.precision == Precision::int16 ? kIntegerPromise : kHalfPromise;
        for (const cpu::LowerOptions& how : halves(*exact)) {
            auto half = lower(how);
            if (!half) {
                refused = std::move(half).error();
                continue;
            }
            last = *half;
            TRY(off, calibration.fidelity(last));
            if (!automatic) {
                if (is_within(off, promise)) return program(last, off, options.precision);
                continue;
            }
            if (const auto taken = precision_of(*last, off, passes)) {
                keep({*taken, off, {}, {}});
                return program(last, off, *taken);
            }
        }
        if (!automatic && last) {
            say_if_broken(off, promise);
            return program(last, off, options.precision);
        }
        if (!automatic && refused) return *std::move(refused);
        keep({Precision::fp32, {}, {}, {}});
        return exact_program(std::move(exact));
    }

    // The program that calibration chose at an earlier start; null when the network does not bear out what was kept.
    Result<std::unique_ptr<Program>> as_before(const cpu::KeptPrecision& known) const {
        if (known.precision == Precision::int16 && !table.fast_terms) {
            TRY(const auto integer, lower({Element::f16, &known.transform_abs_max, nullptr, options.pool}));
            cpu::Calibration calibration(*integer, table, options.pool, graph.macs_per_pixel());
            TRY(const bool agrees, calibration.agrees(integer, known.transform_abs_max, known.probe));
            if (!agrees) {
                log(LogLevel::info, "int16: the ranges measured before are not this network's; measured again");
                return std::unique_ptr<Program>();
            }
            say_before(known);
            return program(integer, known.fidelity, Precision::int16);
        }
        if (known.precision == Precision::fp32) return exact_program();
        TRY(const auto exact, lower_calibrated());
        // Both are at hand, so that the gate is asked again.
        cpu::Calibration calibration(*exact, table, options.pool, graph.macs_per_pixel());
        TRY(const bool finite, calibration.run(exact));
        if (!finite) return std::unique_ptr<Program>();
        for (const cpu::LowerOptions& how : halves(*exact)) {
            const auto half = lower(how);
            if (!half) continue;
            TRY(const cpu::Fidelity fidelity, calibration.fidelity(*half));
            const auto taken = precision_of(**half, fidelity, is_within);
            if (!taken) continue;
            say_before({*taken, fidelity, {}, {}});
            return program(*half, fidelity, *taken);
        }
        return std::unique_ptr<Program>();
    }

    static void say_before(const cpu::KeptPrecision& known) {
        char text[120];
        std::snprintf(text, sizeof text, "%s: %.1f dB, at most %.2f of 255 off, as measured before",
                      std::string(precision_name(known.precision)).c_str(), known.fidelity.psnr,
                      static_cast<double>(known.fidelity.largest));
        log(LogLevel::info, text);
    }

    // Ranges of int16 are measured on V of F(4x4,3x3), and never where there are terms.
    Result<std::shared_ptr<const LoweredNetwork>> lower_calibrated() const { return lower_exact(table.fast_terms); }
    Result<std::shared_ptr<const LoweredNetwork>> lower_exact(bool large_blocks) const {
        return lower({Element::f32, nullptr, nullptr, options.pool, table.fast_terms ? kMostTerms : 0, large_blocks});
    }
    // Of fp32, for which `calibrated` will do where it has the blocks that are fastest.
    Result<std::unique_ptr<Program>> exact_program(std::shared_ptr<const LoweredNetwork> calibrated = nullptr) const {
        if (calibrated && (!table.fast_blocks6 || table.fast_terms || calibrated->unpacked_bytes > 0))
            return program(calibrated, {}, Precision::fp32);
        calibrated.reset();
        TRY(const auto exact, lower_exact(true));
        return program(exact, {}, Precision::fp32);
    }
    // What a network of halves() may be called: where there are terms, its rows of halves take int16's place, and may
    // be as far off.
    template <class Within>
    std::optional<Precision> precision_of(const LoweredNetwork& network, const cpu::Fidelity& fidelity,
                                          const Within& within) const {
        if (within(fidelity, kHalfGate)) return Precision::fp16;
        if (table.fast_terms && network.element == Element::f16 && within(fidelity, kRowsGate))
            return Precision::int16;
        return {};
    }
    // Ways that may be within half precision's gate, the fastest first. Two terms have 16 bits, a half 11. Rows of
    // floats are for what is near the gate, where the roundings of blocks of six count.
    std::vector<cpu::LowerOptions> halves(const LoweredNetwork& exact) const {
        if (!table.fast_terms) return {{Element::f16, nullptr, &exact, options.pool}};
        return {{Element::f16, nullptr, nullptr, options.pool, 2, true},
                {Element::f32, nullptr, nullptr, options.pool, 2}};
    }
    Result<std::shared_ptr<const LoweredNetwork>> lower(const cpu::LowerOptions& how) const {
        TRY(LoweredNetwork network, cpu::lower(graph, table, how));
        return std::make_shared<const LoweredNetwork>(std::move(network));
    }

    // Whoever asks for a precision gets it, but is told what it is.
    static void say_if_broken(const cpu::Fidelity& fidelity, const Gate& promise) {
        if (is_within(fidelity, promise)) return;
        char text[240];
        std::snprintf(text, sizeof text,
                      "%s is asked for, and this network does not bear it: %.1f dB and up to %.2f of 255 off in small test "
                      "pictures, where %.0f dB and %.0f are promised; --precision auto keeps to what is promised",
                      promise.name, fidelity.psnr, static_cast<double>(fidelity.largest), promise.psnr,
                      static_cast<double>(promise.largest));
        log(LogLevel::warning, {"promise-not-kept", text});
    }

    static bool passes(const cpu::Fidelity& fidelity, const Gate& gate) {
        const bool passed = is_within(fidelity, gate);
        char text[160];
        std::snprintf(text, sizeof text, "%s tried: %.1f dB (%.0f wanted), at most %.2f of 255 off (%.2f allowed): %s", gate.name,
                      fidelity.psnr, gate.psnr, static_cast<double>(fidelity.largest), static_cast<double>(gate.largest),
                      passed ? "taken" : "not taken");
        log(LogLevel::info, text);
        return passed;
    }

    Result<std::unique_ptr<Program>> program(const std::shared_ptr<const LoweredNetwork>& network,
                                             const cpu::Fidelity& fidelity, Precision precision) const {
        ProgramInfo info;
        info.scale = network->scale;
        info.channels = network->in_channels;
        info.size_multiple = network->size_multiple;
        info.halo = network->halo;
        info.alignment = network->alignment;
        info.calibration_psnr = fidelity.psnr;
        info.precision = precision;
        const bool half = network->element == Element::f16;
        info.description = "cpu " + std::string(isa_name(isa)) +
                           (network->integer                ? ", int16"
                            : precision == Precision::int16 ? half ? ", int16 on fp16 rows" : ", int16 on fp32 rows"
                            : precision == Precision::fp32  ? ", fp32"
                            : half                          ? ", fp32 on fp16 rows"
                                                            : ", fp16 products on fp32 rows") +
                           (network->block == 6 ? " Winograd F(6x6,3x3)" : " Winograd F(4x4,3x3)") +
                           (network->terms > 0 ? " of " + std::to_string(network->terms) + " bf16 terms" : "");
        return std::unique_ptr<Program>(std::make_unique<CpuProgram>(network, table, options.pool, std::move(info)));
    }
};

class CpuBackend final : public Backend {
public:
    [[nodiscard]] std::string_view name() const override { return "cpu"; }
    [[nodiscard]] DeviceKind kind() const override { return DeviceKind::cpu; }

    std::vector<DeviceInfo> probe() const override {
        DeviceInfo device;
        device.id = "cpu";
        device.memory_bytes = free_memory_bytes();
        const Result<Isa> isa = chosen_isa();
        device.name = cpu_name();
        device.usable = isa.ok();
        if (isa.ok()) device.precisions = {Precision::fp32, Precision::fp16, Precision::int16};
        const int cores = usable_cores();
        device.detail = isa.ok() ? std::string(isa_name(*isa)) + ", " + std::to_string(cores) + (cores == 1 ? " thread" : " threads") +
                                       "; fp32, fp16, int16"
                                 : isa.error().message;
        return {device};
    }

    Result<std::unique_ptr<Program>> compile(const Graph& graph, const CompileOptions& options) const override {
        TRY(const Isa isa, chosen_isa());
#ifdef __GLIBC__
        // What readers of weight files have freed lies between what is still used; packed weights are larger than both.
        if (graph.parameters() > kManyParameters) malloc_trim(0);
#endif
        if (options.precision == Precision::int8)
            return Error{Errc::unsupported, "the cpu backend has no int8 path; int16 is faster here and closer to fp32"};
        TRY(graph.validate());
        if (cpu::first_without_kernel(graph) >= 0) {
            if (options.precision != Precision::automatic && options.precision != Precision::fp32)
                return Error{Errc::unsupported, "the cpu backend runs this network in fp32 only; " + std::string(precision_name(options.precision)) + " was asked for"};
            TRY(const auto network, cpu::tensors::prepare(graph, kernels(isa), options.pool));
            if (network->operations_in_plain_loops > 0)
                log(LogLevel::notice, {"no-fast-kernel", "there is no fast kernel for " + network->first_plain + " (" + std::to_string(network->operations_in_plain_loops) +
                                                             " of " + std::to_string(network->steps.size()) + " steps): those run in plain loops, which is slow"});
            return cpu::tensors::make_program(network, kernels(isa), options.pool, std::string(isa_name(isa)));
        }
        return Compilation{graph, options, isa, kernels(isa)}.run();
    }
};

}  // namespace

const Backend& cpu_backend() {
    static const CpuBackend backend;
    return backend;
}

}  // namespace enlarge
