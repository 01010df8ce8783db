// SPDX-License-Identifier: Apache-2.0
// How fast a network runs here: what `enlarge bench` prints.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "enlarge/cancel.hpp"
#include "enlarge/enlarge.hpp"

namespace enlarge {

struct BenchOptions {
    Size size{320, 180};                           // of the input, one 8-bit RGB frame
    Precision precision = Precision::automatic;
    std::string device = "auto";
    int threads = 0;                               // 0 = all usable cores
    int runs = 9;                                  // after one that warms up
    bool stages = false;                           // measure stages too: one more run, not counted
    Cancellation cancel;                           // looked at after every frame
};

// Time in one kind of work, as a mean over threads; waiting for the other threads is a stage too.
struct BenchStage {
    std::string name;
    double milliseconds = 0;
};

// Operations are those of plain convolutions, two per multiplication, whatever the path saves.
struct BenchResult {
    std::string model;
    Size size;                      // input
    int scale = 1;
    Precision precision = Precision::fp32;  // the path taken
    std::string isa;                // "avx2"; empty on other devices than CPUs
    std::string path;               // "cpu avx2, int16 Winograd F(4x4,3x3)"
    double calibration_psnr = 0;    // dB to fp32 on the calibration pictures; 0 for fp32
    int threads = 0;
    int runs = 0;
    double load_ms = 0;             // from the network's weights to the first frame's start
    double median_ms = 0, min_ms = 0;
    double fps = 0;                 // frames a second, by the median
    double gflops = 0;              // by the median
    double peak_gflops = 0;         // the ceiling, measured: fused multiply-adds of floats on the same threads, or a GPU's
                                    // tensor cores in the path's precision
    double peak_fraction = 0;       // gflops / peak_gflops; Winograd goes beyond 1
    std::int64_t peak_memory_bytes = 0;  // largest resident size of the process while frames ran
    std::int64_t working_bytes = 0;      // what the network asked for: rows and scratch, without weights
    // GPUs; 0 elsewhere. gflops and peak_fraction are then of the network alone.
    double device_ms = 0;           // the network alone, median; median_ms has the copies of an RGB8 frame in addition
    double video_fps = 0;           // NV12 frames from and to host memory, two at a time: what a video gets
    double copy_gigabytes = 0;      // read and written a second by a large copy on the device
    std::int64_t device_memory_bytes = 0;  // most of the GPU's memory that was in use by weights and frames
    std::vector<BenchStage> stages;
};

// Runs whole frames and measures. Takes about runs + 2 frames of time.
Result<BenchResult> bench(const Model& model, const BenchOptions& options = {});

}  // namespace enlarge
