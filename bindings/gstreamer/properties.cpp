// SPDX-License-Identifier: Apache-2.0
#include "properties.hpp"

#include <gst/gst.h>

namespace enlarge_gst {

namespace {

enum Property : guint { kNone, kModel, kScale, kWidth, kHeight, kDevice, kPrecision, kDenoise, kThreads, kTile };

GType precision_type() {
    static const GEnumValue values[] = {{ENLARGE_PRECISION_AUTO, "The fastest that keeps the quality", "auto"},
                                        {ENLARGE_PRECISION_FP32, "Exact", "fp32"},
                                        {ENLARGE_PRECISION_FP16, "Half precision", "fp16"},
                                        {ENLARGE_PRECISION_INT16, "16-bit integers", "int16"},
                                        {ENLARGE_PRECISION_INT8, "8-bit integers", "int8"},
                                        {0, nullptr, nullptr}};
    static const GType type = g_enum_register_static("GstEnlargePrecision", values);
    return type;
}

std::string text_of(const GValue* value) {
    const gchar* text = g_value_get_string(value);
    return text ? text : "";
}

// All noise is removed by the network as it is.
void set_denoise(Settings& settings, double share) {
    settings.denoise.reset();
    if (share < 1) settings.denoise = share;
}

}  // namespace

void install_properties(GObjectClass* klass) {
    constexpr auto kFlags =
        static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
    const auto add = [klass](Property id, GParamSpec* spec) { g_object_class_install_property(klass, id, spec); };
    const auto text = [](const char* name, const char* nick, const char* what) {
        return g_param_spec_string(name, nick, what, nullptr, kFlags);
    };
    const auto whole = [](const char* name, const char* nick, const char* what, int most) {
        return g_param_spec_int(name, nick, what, 0, most, 0, kFlags);
    };
    add(kModel, text("model", "Network", "Network: a name or a weight file; unset: the fast one for video"));
    add(kScale, g_param_spec_double("scale", "Scale", "Enlarge by this factor; 0: the network's own", 0, 1024, 0,
                                    kFlags));
    add(kWidth, whole("width", "Width", "Output width; the height follows. With both: fits inside them", G_MAXINT16));
    add(kHeight, whole("height", "Height", "Output height; the width follows", G_MAXINT16));
    add(kDevice, text("device", "Device", "Where to compute: auto, cpu, cuda, cuda:N; unset: auto"));
    add(kPrecision, g_param_spec_enum("precision", "Precision", "Arithmetic of the network", precision_type(),
                                      ENLARGE_PRECISION_AUTO, kFlags));
    add(kDenoise, g_param_spec_double("denoise", "Denoise", "How strongly noise is removed, with networks that have a "
                                      "partner which removes less (fine-x4, fine-x2)", 0, 1, 1, kFlags));
    add(kThreads, whole("threads", "Threads", "Processor threads; 0: all usable cores", 4096));
    add(kTile, whole("tile", "Tile", "Largest tile side in input pixels; 0: from the memory limit", G_MAXINT));
}

void set_property(Settings& settings, guint id, const GValue* value) {
    switch (id) {
        case kModel: settings.model = text_of(value); break;
        case kScale: settings.scale = g_value_get_double(value); break;
        case kWidth: settings.width = g_value_get_int(value); break;
        case kHeight: settings.height = g_value_get_int(value); break;
        case kDevice: settings.device = text_of(value); break;
        case kPrecision: settings.precision = g_value_get_enum(value); break;
        case kDenoise: set_denoise(settings, g_value_get_double(value)); break;
        case kThreads: settings.threads = g_value_get_int(value); break;
        case kTile: settings.tile = g_value_get_int(value); break;
        default: break;
    }
}

void get_property(const Settings& settings, guint id, GValue* value) {
    const auto text = [value](const std::string& from) {
        g_value_set_string(value, from.empty() ? nullptr : from.c_str());
    };
    switch (id) {
        case kModel: text(settings.model); break;
        case kScale: g_value_set_double(value, settings.scale); break;
        case kWidth: g_value_set_int(value, settings.width); break;
        case kHeight: g_value_set_int(value, settings.height); break;
        case kDevice: text(settings.device); break;
        case kPrecision: g_value_set_enum(value, settings.precision); break;
        case kDenoise: g_value_set_double(value, settings.denoise.value_or(1)); break;
        case kThreads: g_value_set_int(value, settings.threads); break;
        case kTile: g_value_set_int(value, settings.tile); break;
        default: break;
    }
}

}  // namespace enlarge_gst
