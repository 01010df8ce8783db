// SPDX-License-Identifier: Apache-2.0
// An element in a harness: frames are pushed into one side and pulled from the other.
#pragma once

#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace enlarge_gst::test {

// The path of a network that doubles every pixel.
std::string doubling();

class Harness {
public:
    // Properties as "name=value".
    explicit Harness(const std::vector<std::string>& properties = {"model=" + doubling()});
    ~Harness();
    Harness(const Harness&) = delete;
    Harness& operator=(const Harness&) = delete;

    // Frames like this come now.
    void caps(const std::string& text);
    // Pushes a frame whose samples are given by component and place; with `padding` bytes behind each row.
    using Samples = std::function<int(int component, int x, int y)>;
    GstFlowReturn push(const Samples& samples, int padding = 0, GstClockTime time = GST_CLOCK_TIME_NONE);
    // The caps of what comes out; empty before the first frame.
    [[nodiscard]] std::string out_caps();
    [[nodiscard]] GstVideoInfo out_info();
    // The next frame that came out; the caller has it.
    GstBuffer* pull() { return gst_harness_pull(h); }
    // Component by component, row by row.
    static std::vector<int> samples_of(GstBuffer* buffer, const GstVideoInfo& info);
    // The text of the first error on the bus, "" where there is none.
    [[nodiscard]] std::string error();

    GstHarness* h = nullptr;
    GstElement* element = nullptr;
    GstVideoInfo info;

private:
    GstBus* bus_ = nullptr;
};

// The error that an element with these properties gives when it starts, "" where it starts.
std::string why_it_does_not_start(const std::vector<std::string>& properties);

// What frames of one kind become.
std::vector<int> through(const std::string& format, const Harness::Samples& samples, int padding = 0);

}  // namespace enlarge_gst::test
