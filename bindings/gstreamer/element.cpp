// SPDX-License-Identifier: Apache-2.0
#include "element.hpp"

#include <gst/video/gstvideofilter.h>

#include "formats.hpp"
#include "packed.hpp"
#include "properties.hpp"
#include "sizes.hpp"
#include "upscaler.hpp"

using enlarge_gst::Failure;
using enlarge_gst::Planes;
using enlarge_gst::Settings;
using enlarge_gst::Upscaler;
using enlarge_gst::with_planes;

GST_DEBUG_CATEGORY_STATIC(enlarge_debug);
#define GST_CAT_DEFAULT enlarge_debug

struct GstEnlarge {
    GstVideoFilter parent;
    Upscaler* upscaler;
    Settings* settings;     // guarded by the object's lock
    enlarge_frame in, out;  // what frames are like now; of the streaming thread
    Planes *in_planes, *out_planes;  // where they are packed
};
struct GstEnlargeClass {
    GstVideoFilterClass parent;
};

G_DEFINE_TYPE(GstEnlarge, gst_enlarge, GST_TYPE_VIDEO_FILTER)

namespace {

GstEnlarge* self_of(gpointer object) { return reinterpret_cast<GstEnlarge*>(object); }
GstBaseTransformClass* parent_transform() { return GST_BASE_TRANSFORM_CLASS(gst_enlarge_parent_class); }

void say(GstEnlarge* self, const char* what, const Failure& failure) {
    const char* text = failure.text.c_str();
    switch (failure.status) {
        case ENLARGE_NOT_FOUND: GST_ELEMENT_ERROR(self, RESOURCE, NOT_FOUND, ("%s%s", what, text), (nullptr)); break;
        case ENLARGE_MEMORY: GST_ELEMENT_ERROR(self, RESOURCE, NO_SPACE_LEFT, ("%s%s", what, text), (nullptr)); break;
        case ENLARGE_DEVICE: GST_ELEMENT_ERROR(self, RESOURCE, OPEN_READ_WRITE, ("%s%s", what, text), (nullptr)); break;
        case ENLARGE_ARGUMENT: GST_ELEMENT_ERROR(self, LIBRARY, SETTINGS, ("%s%s", what, text), (nullptr)); break;
        default: GST_ELEMENT_ERROR(self, STREAM, FAILED, ("%s%s", what, text), (nullptr)); break;
    }
}

// What the library says while it works.
void log_line(void* user, int32_t level, const char* code, const char* text) {
    const GstDebugLevel to = level >= ENLARGE_LOG_NOTICE ? GST_LEVEL_WARNING
                             : level == ENLARGE_LOG_INFO ? GST_LEVEL_INFO
                                                         : GST_LEVEL_DEBUG;
    GST_CAT_LEVEL_LOG(GST_CAT_DEFAULT, to, static_cast<GObject*>(user), "%s%s%s", code, *code ? ": " : "", text);
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec*) {
    GstEnlarge* self = self_of(object);
    GST_OBJECT_LOCK(self);
    enlarge_gst::set_property(*self->settings, id, value);
    GST_OBJECT_UNLOCK(self);
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec*) {
    GstEnlarge* self = self_of(object);
    GST_OBJECT_LOCK(self);
    enlarge_gst::get_property(*self->settings, id, value);
    GST_OBJECT_UNLOCK(self);
}

void finalize(GObject* object) {
    delete self_of(object)->upscaler;
    delete self_of(object)->in_planes;
    delete self_of(object)->out_planes;
    delete self_of(object)->settings;
    G_OBJECT_CLASS(gst_enlarge_parent_class)->finalize(object);
}

gboolean start(GstBaseTransform* base) {
    GstEnlarge* self = self_of(base);
    GST_OBJECT_LOCK(self);
    const Settings settings = *self->settings;
    GST_OBJECT_UNLOCK(self);
    const auto failure = self->upscaler->open(settings, log_line, self);
    if (failure) say(self, "", *failure);
    return !failure;
}

gboolean stop(GstBaseTransform* base) {
    self_of(base)->upscaler->close();
    return TRUE;
}

// A frame in work must not hold up who goes back to READY.
GstStateChangeReturn change_state(GstElement* element, GstStateChange change) {
    Upscaler& upscaler = *self_of(element)->upscaler;
    if (change == GST_STATE_CHANGE_READY_TO_PAUSED) upscaler.resume();
    if (change == GST_STATE_CHANGE_PAUSED_TO_READY) upscaler.stop();
    return GST_ELEMENT_CLASS(gst_enlarge_parent_class)->change_state(element, change);
}

gboolean sink_event(GstBaseTransform* base, GstEvent* event) {
    Upscaler& upscaler = *self_of(base)->upscaler;
    if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_START) upscaler.stop();
    if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP) upscaler.resume();
    return parent_transform()->sink_event(base, event);
}

// A frame is at work for as long as it lasts, where the machine keeps up.
gboolean query(GstBaseTransform* base, GstPadDirection direction, GstQuery* query) {
    if (!parent_transform()->query(base, direction, query)) return FALSE;
    if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY || direction != GST_PAD_SRC) return TRUE;
    const GstVideoInfo& info = GST_VIDEO_FILTER(base)->in_info;
    const int numerator = GST_VIDEO_INFO_FPS_N(&info), denominator = GST_VIDEO_INFO_FPS_D(&info);
    if (numerator <= 0 || denominator <= 0) return TRUE;
    gboolean live = FALSE;
    GstClockTime least = 0, most = 0;
    gst_query_parse_latency(query, &live, &least, &most);
    const GstClockTime frame = gst_util_uint64_scale_int(GST_SECOND, denominator, numerator);
    gst_query_set_latency(query, live, least + frame, GST_CLOCK_TIME_IS_VALID(most) ? most + frame : most);
    return TRUE;
}

GstCaps* transform_caps(GstBaseTransform* base, GstPadDirection direction, GstCaps* caps, GstCaps* filter) {
    GstCaps* made = enlarge_gst::caps_of_other_side(*self_of(base)->upscaler, caps, direction == GST_PAD_SINK);
    if (!filter) return made;
    GstCaps* wanted = gst_caps_intersect_full(filter, made, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref(made);
    return wanted;
}

// What the input's caps leave open would be guessed anew from the larger size: GStreamer's guess is written down.
void write_down_colours(GstStructure* structure, const GstVideoInfo& info) {
    const GstVideoFormatInfo& format = *info.finfo;
    const bool subsampled = GST_VIDEO_FORMAT_INFO_W_SUB(&format, 1) > 0;
    const gchar* said = gst_structure_get_string(structure, "colorimetry");
    GstVideoColorimetry known;
    const bool open = !said || !gst_video_colorimetry_from_string(&known, said) ||
                      known.matrix == GST_VIDEO_COLOR_MATRIX_UNKNOWN;
    gchar* colours = gst_video_colorimetry_to_string(&info.colorimetry);
    if (colours && open)
        gst_structure_set(structure, "colorimetry", G_TYPE_STRING, colours, nullptr);
    g_free(colours);
    gchar* site = gst_video_chroma_site_to_string(GST_VIDEO_INFO_CHROMA_SITE(&info));
    if (site && subsampled && !gst_structure_has_field(structure, "chroma-site"))
        gst_structure_set(structure, "chroma-site", G_TYPE_STRING, site, nullptr);
    g_free(site);
}

GstCaps* fixate_caps(GstBaseTransform* base, GstPadDirection direction, GstCaps* caps, GstCaps* other) {
    other = gst_caps_truncate(gst_caps_make_writable(parent_transform()->fixate_caps(base, direction, caps, other)));
    GstVideoInfo info;
    if (direction != GST_PAD_SINK || gst_caps_is_empty(other) || !gst_video_info_from_caps(&info, caps)) return other;
    if (GST_VIDEO_INFO_IS_YUV(&info)) write_down_colours(gst_caps_get_structure(other, 0), info);
    return other;
}

gboolean set_info(GstVideoFilter* filter, GstCaps* in_caps, GstVideoInfo* in, GstCaps*, GstVideoInfo* out) {
    GstEnlarge* self = self_of(filter);
    if (GST_VIDEO_INFO_IS_INTERLACED(in)) {
        GST_ELEMENT_ERROR(self, STREAM, FORMAT,
                          ("The frames are interlaced (%s); enlarge takes progressive ones: put deinterlace before it.",
                           gst_video_interlace_mode_to_string(GST_VIDEO_INFO_INTERLACE_MODE(in))),
                          (nullptr));
        return FALSE;
    }
    self->in = enlarge_gst::describe(*in, in_caps);
    if (const auto failure = self->upscaler->begin(self->in, self->out)) {
        say(self, "", *failure);
        return FALSE;
    }
    if (self->out.width != GST_VIDEO_INFO_WIDTH(out) || self->out.height != GST_VIDEO_INFO_HEIGHT(out)) {
        GST_ELEMENT_ERROR(self, CORE, NEGOTIATION,
                          ("Frames of %dx%d become %dx%d here; the next element wants %dx%d.", self->in.width,
                           self->in.height, self->out.width, self->out.height, GST_VIDEO_INFO_WIDTH(out),
                           GST_VIDEO_INFO_HEIGHT(out)),
                          (nullptr));
        return FALSE;
    }
    gst_element_post_message(GST_ELEMENT(self), gst_message_new_latency(GST_OBJECT(self)));
    return TRUE;
}

GstFlowReturn transform_frame(GstVideoFilter* filter, GstVideoFrame* in, GstVideoFrame* out) {
    GstEnlarge* self = self_of(filter);
    const bool packed = enlarge_gst::is_packed(in->info);  // and so what they become
    enlarge_frame from, to;
    if (packed) {
        from = self->in_planes->with_planes(self->in, *in);
        to = self->out_planes->with_planes(self->out, *out);
        self->in_planes->read(*in);
    } else {
        from = with_planes(self->in, *in);
        to = with_planes(self->out, *out);
    }
    Failure failure;
    switch (self->upscaler->enlarge(from, to, failure)) {
        case Upscaler::Outcome::made:
            if (packed) self->out_planes->write(*out);
            return GST_FLOW_OK;
        case Upscaler::Outcome::stopped: return GST_FLOW_FLUSHING;
        case Upscaler::Outcome::failed: break;
    }
    say(self, "A frame was not enlarged: ", failure);
    return GST_FLOW_ERROR;
}

// What is about places in the picture moves along.
gboolean transform_meta(GstBaseTransform* base, GstBuffer* to, GstMeta* meta, GstBuffer* from) {
    const GstMetaInfo* kind = meta->info;
    const bool sized = gst_meta_api_type_has_tag(kind->api, g_quark_from_static_string(GST_META_TAG_VIDEO_SIZE_STR));
    if (!sized) return parent_transform()->transform_meta(base, to, meta, from);
    GstVideoMetaTransform sizes{&GST_VIDEO_FILTER(base)->in_info, &GST_VIDEO_FILTER(base)->out_info};
    if (kind->transform_func)
        kind->transform_func(to, meta, from, gst_video_meta_transform_scale_get_quark(), &sizes);
    return FALSE;
}

void add_pad(GstElementClass* klass, const char* name, GstPadDirection direction) {
    GstCaps* caps = enlarge_gst::template_caps();
    gst_element_class_add_pad_template(klass, gst_pad_template_new(name, direction, GST_PAD_ALWAYS, caps));
    gst_caps_unref(caps);
}

}  // namespace

static void gst_enlarge_class_init(GstEnlargeClass* klass) {
    auto* object = G_OBJECT_CLASS(klass);
    auto* element = GST_ELEMENT_CLASS(klass);
    auto* transform = GST_BASE_TRANSFORM_CLASS(klass);
    auto* filter = GST_VIDEO_FILTER_CLASS(klass);
    object->set_property = set_property;
    object->get_property = get_property;
    object->finalize = finalize;
    enlarge_gst::install_properties(object);
    gst_element_class_set_static_metadata(element, "Enlarge video", "Filter/Effect/Video/Scaler",
                                          "Makes video larger and cleaner with Real-ESRGAN-family networks",
                                          "the authors of enlarge");
    add_pad(element, "sink", GST_PAD_SINK);
    add_pad(element, "src", GST_PAD_SRC);
    element->change_state = change_state;
    transform->start = start;
    transform->stop = stop;
    transform->sink_event = sink_event;
    transform->query = query;
    transform->transform_caps = transform_caps;
    transform->fixate_caps = fixate_caps;
    transform->transform_meta = transform_meta;
    transform->passthrough_on_same_caps = FALSE;
    filter->set_info = set_info;
    filter->transform_frame = transform_frame;
}

static void gst_enlarge_init(GstEnlarge* self) {
    self->upscaler = new Upscaler;
    self->settings = new Settings;
    self->in_planes = new Planes;
    self->out_planes = new Planes;
    // A frame that is late is still wanted: files are made with this.
    gst_base_transform_set_qos_enabled(GST_BASE_TRANSFORM(self), FALSE);
}

namespace enlarge_gst {

gboolean register_element(GstPlugin* plugin) {
    GST_DEBUG_CATEGORY_INIT(enlarge_debug, "enlarge", 0, "larger video");
    return gst_element_register(plugin, "enlarge", GST_RANK_NONE, gst_enlarge_get_type());
}

}  // namespace enlarge_gst
