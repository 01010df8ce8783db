// SPDX-License-Identifier: Apache-2.0
#include "harness.hpp"

#include <cstring>

#include "element.hpp"
#include "support/source_folder.hpp"

namespace enlarge_gst::test {

std::string doubling() { return enlarge::test::source_folder() + "/tests/media/data/nearest-x2.safetensors"; }

namespace {

// With a reference of the caller's.
GstElement* element_with(const std::vector<std::string>& properties) {
    GstElement* element = gst_element_factory_make("enlarge", nullptr);
    gst_object_ref_sink(element);
    for (const std::string& property : properties) {
        const std::size_t equals = property.find('=');
        gst_util_set_object_arg(G_OBJECT(element), property.substr(0, equals).c_str(),
                                property.substr(equals + 1).c_str());
    }
    return element;
}

std::string first_error(GstBus* bus) {
    GstMessage* message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
    if (!message) return "";
    GError* error = nullptr;
    gst_message_parse_error(message, &error, nullptr);
    std::string text = error->message;
    g_error_free(error);
    gst_message_unref(message);
    return text;
}

}  // namespace

std::string why_it_does_not_start(const std::vector<std::string>& properties) {
    GstElement* element = element_with(properties);
    GstBus* bus = gst_bus_new();
    gst_element_set_bus(element, bus);
    const bool started = gst_element_set_state(element, GST_STATE_PAUSED) != GST_STATE_CHANGE_FAILURE;
    const std::string said = first_error(bus);
    EXPECT_EQ(started, said.empty());
    gst_element_set_state(element, GST_STATE_NULL);
    gst_element_set_bus(element, nullptr);
    gst_bus_set_flushing(bus, TRUE);
    gst_object_unref(bus);
    gst_object_unref(element);
    return said;
}

Harness::Harness(const std::vector<std::string>& properties) {
    element = element_with(properties);
    bus_ = gst_bus_new();
    gst_element_set_bus(element, bus_);
    h = gst_harness_new_with_element(element, "sink", "src");
    gst_video_info_init(&info);
}

Harness::~Harness() {
    gst_element_set_bus(element, nullptr);
    gst_bus_set_flushing(bus_, TRUE);
    gst_object_unref(bus_);
    gst_harness_teardown(h);
    gst_object_unref(element);
}

void Harness::caps(const std::string& text) {
    GstCaps* made = gst_caps_from_string(text.c_str());
    ASSERT_TRUE(gst_video_info_from_caps(&info, made)) << text;
    gst_harness_set_src_caps(h, made);
}

namespace {

// A frame with rows that are longer than they need to be, as a decoder's are.
GstBuffer* padded_buffer(GstVideoInfo& info, int padding) {
    gsize offset[GST_VIDEO_MAX_PLANES] = {}, total = 0;
    gint stride[GST_VIDEO_MAX_PLANES] = {};
    for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES(&info); ++p) {
        gint component[GST_VIDEO_MAX_COMPONENTS];
        gst_video_format_info_component(info.finfo, p, component);
        stride[p] = GST_VIDEO_INFO_PLANE_STRIDE(&info, p) + padding;
        offset[p] = total;
        total += static_cast<gsize>(stride[p]) * GST_VIDEO_INFO_COMP_HEIGHT(&info, component[0]);
    }
    GstBuffer* buffer = gst_buffer_new_allocate(nullptr, total, nullptr);
    gst_buffer_memset(buffer, 0, 0x5a, total);
    gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT(&info),
                                   static_cast<guint>(info.width), static_cast<guint>(info.height),
                                   GST_VIDEO_INFO_N_PLANES(&info), offset, stride);
    return buffer;
}

using Visit = std::function<void(int component, int x, int y, guint8* at, bool wide, int shift)>;

void each_sample(GstVideoFrame& frame, const Visit& visit) {
    for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS(&frame); ++c) {
        const bool wide = GST_VIDEO_FRAME_COMP_DEPTH(&frame, c) > 8;
        const int shift = static_cast<int>(frame.info.finfo->shift[c]);
        const int pixel = GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, c);
        guint8* data = GST_VIDEO_FRAME_COMP_DATA(&frame, c);
        // GStreamer 1.22 has the second chroma sample of P010 one byte too early.
        if (wide && pixel == 4 && c == 2) ++data;
        for (int y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT(&frame, c); ++y)
            for (int x = 0; x < GST_VIDEO_FRAME_COMP_WIDTH(&frame, c); ++x)
                visit(static_cast<int>(c), x, y, data + y * GST_VIDEO_FRAME_COMP_STRIDE(&frame, c) + x * pixel, wide,
                      shift);
    }
}

}  // namespace

GstFlowReturn Harness::push(const Samples& samples, int padding, GstClockTime time) {
    GstBuffer* buffer = padded_buffer(info, padding);
    GstVideoFrame frame;
    EXPECT_TRUE(gst_video_frame_map(&frame, &info, buffer, GST_MAP_WRITE));
    each_sample(frame, [&](int c, int x, int y, guint8* at, bool wide, int shift) {
        const auto value = static_cast<guint16>(samples(c, x, y) << shift);
        if (wide) std::memcpy(at, &value, 2);
        else *at = static_cast<guint8>(value);
    });
    gst_video_frame_unmap(&frame);
    GST_BUFFER_PTS(buffer) = time;
    return gst_harness_push(h, buffer);
}

std::vector<int> Harness::samples_of(GstBuffer* buffer, const GstVideoInfo& info) {
    std::vector<int> found;
    GstVideoInfo kind = info;
    GstVideoFrame frame;
    if (!gst_video_frame_map(&frame, &kind, buffer, GST_MAP_READ)) return found;
    each_sample(frame, [&](int, int, int, guint8* at, bool wide, int shift) {
        guint16 value = *at;
        if (wide) std::memcpy(&value, at, 2);
        found.push_back(value >> shift);
    });
    gst_video_frame_unmap(&frame);
    return found;
}

std::string Harness::out_caps() {
    GstCaps* caps = gst_pad_get_current_caps(h->sinkpad);
    if (!caps) return "";
    gchar* text = gst_caps_to_string(caps);
    std::string found = text;
    g_free(text);
    gst_caps_unref(caps);
    return found;
}

GstVideoInfo Harness::out_info() {
    GstVideoInfo out;
    GstCaps* caps = gst_pad_get_current_caps(h->sinkpad);
    EXPECT_TRUE(caps && gst_video_info_from_caps(&out, caps));
    gst_clear_caps(&caps);
    return out;
}

std::string Harness::error() { return first_error(bus_); }

std::vector<int> through(const std::string& format, const Harness::Samples& samples, int padding) {
    Harness run;
    run.caps("video/x-raw,format=" + format + ",width=34,height=18,framerate=25/1");
    EXPECT_EQ(run.push(samples, padding), GST_FLOW_OK) << format << ": " << run.error();
    GstBuffer* out = run.pull();
    auto found = Harness::samples_of(out, run.out_info());
    gst_buffer_unref(out);
    return found;
}

}  // namespace enlarge_gst::test

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    gst_init(&argc, &argv);
    if (!enlarge_gst::register_element(nullptr)) return 1;
    const int failed = RUN_ALL_TESTS();
    gst_deinit();
    return failed;
}
