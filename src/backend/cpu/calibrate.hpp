// SPDX-License-Identifier: Apache-2.0
// Small pictures on which a network is tried when it is loaded: how large its features get, and how far a faster path
// is from the exact one.
#pragma once

#include <vector>

#include "backend/cpu/session.hpp"
#include "enlarge/image.hpp"

namespace enlarge::cpu {

// The psnr of equal pictures.
inline constexpr double kSamePsnr = 120;

// How far two results are apart.
struct Fidelity {
    double psnr = 0;    // dB over all pictures, of 8-bit pixels; kSamePsnr when equal
    float largest = 0;  // difference of one sample, in 1/255 before rounding: above 1, 8-bit pixels may differ by 2
};

// Whether numbers can be what Calibration::transform_abs_max() gave for some network: 36 positions of as many channels each,
// none smaller or larger than rows of halves allow, no channel below its least share of a position.
bool can_be_ranges(const TransformAbsMax& ranges);

// Calibration of one network. Everything it does is deterministic.
class Calibration {
public:
    // Chooses pictures for a network of `channels` whose exact path costs `macs_per_pixel`: the dearer, the smaller, so
    // that a run takes a few hundredths of a second.
    Calibration(const LoweredNetwork& network, const KernelTable& kernels, ThreadPool* pool, double macs_per_pixel);

    // Runs the exact path, the fp32 network. Afterwards transform_abs_max() and fidelity() may be called. False when a result was
    // not finite.
    Result<bool> run(const std::shared_ptr<const LoweredNetwork>& exact);

    // The largest transformed features that 16 bits shall hold in their smallest unit.
    [[nodiscard]] const TransformAbsMax& transform_abs_max() const { return transform_abs_max_; }
    // The same of a smaller picture, for agrees(), which the ranges above include.
    [[nodiscard]] const TransformAbsMax& probe() const { return probe_; }

    // Another path against the exact one. Largest = 256 when a result was not finite.
    Result<Fidelity> fidelity(const std::shared_ptr<const LoweredNetwork>& other);

    // Whether a network that multiplies in int16 and was made with `ranges` sees on that small picture what `probe`
    // says: if it does, both were measured on it. Needs neither the exact path nor the other pictures: a start takes a
    // small part of the time that measuring takes.
    Result<bool> agrees(const std::shared_ptr<const LoweredNetwork>& integer, const TransformAbsMax& ranges,
                        const TransformAbsMax& probe);

private:
    // Of one picture; `finite` becomes false when it is not.
    Result<Image> output(Runner& runner, const LoweredNetwork& network, int kind, Size size, bool& finite) const;

    const KernelTable& kernels_;
    ThreadPool* pool_;
    Size size_, probe_size_;
    int channels_;
    std::vector<Image> exact_outputs_;
    TransformAbsMax transform_abs_max_, probe_;
};

}  // namespace enlarge::cpu
