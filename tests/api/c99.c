/* SPDX-License-Identifier: Apache-2.0 */
/* Every function of the C interface, from C99. The network is made here: all weights are zero, so its output is the
 * input with each pixel repeated twice in both directions. */
#include <enlarge/enlarge.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

#define CHECK(condition)                                                         \
    do {                                                                         \
        if (!(condition)) {                                                      \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);      \
            ++failures;                                                          \
        }                                                                        \
    } while (0)

/* A safetensors file of a Compact x2 network with 4 features. */
static unsigned char* make_model(size_t* byte_count) {
    static const char header[] =
        "{\"body.0.weight\":{\"dtype\":\"F32\",\"shape\":[4,3,3,3],\"data_offsets\":[0,432]},"
        "\"body.0.bias\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[432,448]},"
        "\"body.1.weight\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[448,464]},"
        "\"body.2.weight\":{\"dtype\":\"F32\",\"shape\":[12,4,3,3],\"data_offsets\":[464,2192]},"
        "\"body.2.bias\":{\"dtype\":\"F32\",\"shape\":[12],\"data_offsets\":[2192,2240]}}";
    const size_t length = sizeof header - 1;
    unsigned char* file = calloc(1, 8 + length + 2240);
    size_t i;
    if (!file) exit(2);
    for (i = 0; i < 8; ++i) file[i] = (unsigned char)(length >> (8 * i));
    memcpy(file + 8, header, length);
    *byte_count = 8 + length + 2240;
    return file;
}

static enlarge_image describe(void* pixels, int width, int height, int channels, int sample) {
    enlarge_image image;
    memset(&image, 0, sizeof image);
    image.size = sizeof image;
    image.width = width;
    image.height = height;
    image.channels = channels;
    image.sample = sample;
    image.plane[0] = pixels;
    image.stride_bytes[0] = (ptrdiff_t)width * channels * (sample == ENLARGE_U8 ? 1 : sample == ENLARGE_F32 ? 4 : 2);
    return image;
}

static int count_devices;
static void visit_device(void* user, const char* id, const char* name, int64_t memory, int usable, const char* detail) {
    (void)memory;
    CHECK(user == &count_devices);
    CHECK(id && *id && name && detail);
    if (usable) ++count_devices;
}

static int stop_at_once(void* user, double fraction) {
    ++*(int*)user;
    CHECK(fraction >= 0 && fraction <= 1);
    return 0;
}

typedef struct rows {
    unsigned char* pixels;
    int row, fail_at;
} rows;

static int read_rows(void* user, const enlarge_image* image) {
    rows* from = user;
    int y;
    if (from->row >= from->fail_at) return 1;
    for (y = 0; y < image->height; ++y, ++from->row)
        memcpy((char*)image->plane[0] + image->stride_bytes[0] * y, from->pixels + 3 * image->width * from->row, 3 * (size_t)image->width);
    return 0;
}

static int write_rows(void* user, const enlarge_image* image) {
    rows* to = user;
    int y;
    for (y = 0; y < image->height; ++y, ++to->row)
        memcpy(to->pixels + 3 * image->width * to->row, (char*)image->plane[0] + image->stride_bytes[0] * y, 3 * (size_t)image->width);
    return 0;
}

static void check_doubled(const unsigned char* in, const unsigned char* out, int width, int height) {
    int x, y, c, wrong = 0;
    for (y = 0; y < 2 * height; ++y)
        for (x = 0; x < 2 * width; ++x)
            for (c = 0; c < 3; ++c) wrong += out[3 * (2 * width * y + x) + c] != in[3 * (width * (y / 2) + x / 2) + c];
    CHECK(wrong == 0);
}

static void visit_device_info(void* user, const enlarge_device_info* device) {
    CHECK(device->size >= sizeof(enlarge_device_info) && device->id[0] && device->fallback_to != NULL);
    CHECK(!device->usable || (device->precisions & (1 << ENLARGE_PRECISION_FP32)));
    ++*(int*)user;
}

static const char* fact(const enlarge_model_info* info, const char* key) {
    size_t i;
    for (i = 0; i < info->fact_count; ++i)
        if (strcmp(info->facts[i].key, key) == 0) return info->facts[i].value;
    return "";
}

static void count_lines(void* user, int32_t level, const char* code, const char* text) {
    CHECK(level >= ENLARGE_LOG_DEBUG && level <= ENLARGE_LOG_WARNING && code != NULL && text != NULL);
    ++*(int*)user;
}

/* One engine, two sessions. */
static void check_engine(enlarge_context* ctx, unsigned char* in, unsigned char* out) {
    enum { W = 13, H = 9 };
    size_t byte_count = 0;
    unsigned char* file = make_model(&byte_count);
    enlarge_model* model = NULL;
    enlarge_engine* engine = NULL;
    enlarge_session *first = NULL, *second = NULL;
    enlarge_options options;
    enlarge_engine_info info;
    enlarge_device_info device;
    enlarge_call call;
    enlarge_cancellation* stop = enlarge_cancellation_create(0);
    enlarge_image small = describe(in, W, H, 3, ENLARGE_U8), big = describe(out, 2 * W, 2 * H, 3, ENLARGE_U8);
    int64_t bytes = 0;
    int lines = 0, devices = 0;
    CHECK(enlarge_model_read(ctx, file, byte_count, "doubling", &model) == ENLARGE_OK);
    free(file);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.device = "reference";
    options.log = count_lines;
    options.log_user = &lines;
    options.max_side = 2 * W;
    CHECK(enlarge_engine_create(ctx, NULL, &options, &engine) == ENLARGE_ARGUMENT);
    CHECK(enlarge_engine_create(ctx, model, &options, &engine) == ENLARGE_OK);
    enlarge_model_close(model);
    memset(&info, 0, sizeof info);
    memset(&device, 0, sizeof device);
    info.size = sizeof info;
    device.size = sizeof device;
    CHECK(enlarge_engine_describe(ctx, engine, &info, &device) == ENLARGE_OK);
    CHECK(info.precision == ENLARGE_PRECISION_FP32 && info.devices == 1 && strstr(info.description, "reference"));
    CHECK(info.plain_loops == 1);
    CHECK(device.kind == ENLARGE_DEVICE_REFERENCE && device.usable && strcmp(device.id, "reference") == 0);
    CHECK(enlarge_session_create(ctx, engine, &first) == ENLARGE_OK);
    CHECK(enlarge_session_create(ctx, engine, &second) == ENLARGE_OK);
    enlarge_engine_destroy(engine); /* sessions keep it */
    CHECK(enlarge_session_memory(ctx, first, &small, &big, &bytes) == ENLARGE_OK && bytes > 0);
    CHECK(enlarge_session_upscale(ctx, first, &small, &big, NULL, NULL) == ENLARGE_OK);
    check_doubled(in, out, W, H);
    memset(out, 0, (size_t)(4 * W * H * 3));
    memset(&call, 0, sizeof call);
    call.size = sizeof call;
    call.cancellation = stop;
    CHECK(enlarge_session_upscale(ctx, second, &small, &big, &call, NULL) == ENLARGE_OK);
    check_doubled(in, out, W, H);
    enlarge_cancel(stop);
    CHECK(enlarge_session_upscale(ctx, second, &small, &big, &call, NULL) == ENLARGE_CANCELLED);
    CHECK(strcmp(enlarge_error(ctx), "stopped by the caller") == 0);
    enlarge_cancellation_destroy(stop);
    big.width = 2 * W + 1;
    CHECK(enlarge_session_upscale(ctx, first, &small, &big, NULL, NULL) == ENLARGE_LIMIT);
    CHECK(lines >= 0);
    CHECK(enlarge_visit_devices(ctx, visit_device_info, &devices) == ENLARGE_OK && devices >= 1);
    enlarge_session_destroy(first);
    enlarge_session_destroy(second);
    enlarge_session_destroy(NULL);
    enlarge_engine_destroy(NULL);
    enlarge_cancel(NULL);
    enlarge_cancellation_destroy(NULL);
}

int main(void) {
    enum { W = 13, H = 9 };
    static unsigned char in[3 * W * H], out[12 * W * H], rows_out[12 * W * H];
    static float floats[12 * W * H];
    size_t byte_count = 0;
    unsigned char* file = make_model(&byte_count);
    enlarge_context* ctx = enlarge_context_create();
    enlarge_model *model = NULL, *blend = NULL;
    enlarge_upscaler* upscaler = NULL;
    enlarge_model_info info;
    enlarge_options options;
    enlarge_report report;
    enlarge_image small, big;
    int32_t width = 0, height = 0;
    int i, calls = 0;

    for (i = 0; i < 3 * W * H; ++i) in[i] = (unsigned char)(i * 7);
    CHECK(ctx != NULL);
    CHECK(strcmp(enlarge_error(ctx), "") == 0);
    CHECK(strlen(enlarge_version()) >= 5);

    /* Failures have a status and a text, and leave the handles alone. */
    CHECK(enlarge_model_open(ctx, "/no/such/file.pth", &model) == ENLARGE_NOT_FOUND);
    CHECK(model == NULL && strlen(enlarge_error(ctx)) > 10);
    CHECK(enlarge_model_read(ctx, "garbage", 7, "junk", &model) != ENLARGE_OK);
    CHECK(enlarge_model_read(ctx, NULL, 7, "junk", &model) == ENLARGE_ARGUMENT);
    CHECK(enlarge_model_read(ctx, file, byte_count / 2, NULL, &model) == ENLARGE_FORMAT);
    CHECK(enlarge_model_open(NULL, "swift-x4", &model) == ENLARGE_ARGUMENT);

    CHECK(enlarge_model_read(ctx, file, byte_count, "zero", &model) == ENLARGE_OK);
    CHECK(strcmp(enlarge_error(ctx), "") == 0);
    free(file);
    CHECK(enlarge_model_blend(ctx, model, model, 0.5F, &blend) == ENLARGE_OK);
    enlarge_model_close(blend);

    memset(&info, 0, sizeof info);
    CHECK(enlarge_model_describe(ctx, model, &info) == ENLARGE_ARGUMENT); /* size not set */
    info.size = sizeof info;
    CHECK(enlarge_model_describe(ctx, model, &info) == ENLARGE_OK);
    CHECK(info.scale == 2 && info.channels == 3 && info.features == 4 && strcmp(info.family, "Compact") == 0);
    CHECK(info.parameters == 560 && info.receptive_radius == 2);
    CHECK(info.size_multiple == 1 && info.tiles_exact == 1 && strcmp(info.variant, "PReLU") == 0);
    CHECK(strcmp(fact(&info, "features"), "4") == 0 && strcmp(fact(&info, "parameters"), "560") == 0);
    CHECK(strcmp(fact(&info, "receptive radius"), "2") == 0 && strcmp(fact(&info, "window"), "") == 0);
    info.size = offsetof(enlarge_model_info, licence); /* a caller from before `licence` was there */
    info.licence = "untouched";
    CHECK(enlarge_model_describe(ctx, model, &info) == ENLARGE_OK && strcmp(info.licence, "untouched") == 0);

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.device = "abacus";
    CHECK(enlarge_upscaler_create(ctx, model, &options, &upscaler) != ENLARGE_OK && upscaler == NULL);
    CHECK(strstr(enlarge_error(ctx), "abacus") != NULL);
    options.device = "reference";
    options.precision = 77;
    CHECK(enlarge_upscaler_create(ctx, model, &options, &upscaler) == ENLARGE_ARGUMENT);
    options.precision = ENLARGE_PRECISION_FP32;
    options.tile = 5;
    CHECK(enlarge_upscaler_create(ctx, model, &options, &upscaler) == ENLARGE_OK);
    CHECK(strstr(enlarge_upscaler_path(upscaler), "reference") != NULL);

    CHECK(enlarge_output_size(ctx, model, W, H, 0, 0, 0, 1, &width, &height) == ENLARGE_OK && width == 2 * W && height == 2 * H);
    CHECK(enlarge_output_size(ctx, model, W, H, 1.5, 0, 0, 1, &width, &height) == ENLARGE_OK && width == 20 && height == 14);
    CHECK(enlarge_output_size(ctx, model, W, H, 1.5, 100, 0, 1, &width, &height) == ENLARGE_ARGUMENT);

    /* Models may be closed while an upscaler still uses them. */
    enlarge_model_close(model);

    small = describe(in, W, H, 3, ENLARGE_U8);
    big = describe(out, 2 * W, 2 * H, 3, ENLARGE_U8);
    memset(&report, 0, sizeof report);
    report.size = sizeof report;
    CHECK(enlarge_upscale(ctx, upscaler, &small, &big, NULL, NULL, &report) == ENLARGE_OK);
    CHECK(report.passes == 1 && report.tiles == 6 && report.recomputed_tiles == 0);
    check_doubled(in, out, W, H);

    big = describe(floats, 2 * W, 2 * H, 3, ENLARGE_F32);
    CHECK(enlarge_upscale(ctx, upscaler, &small, &big, NULL, NULL, NULL) == ENLARGE_OK);
    CHECK(floats[0] == (float)in[0] / 255.0F && floats[3 * (2 * W * 2 + 2)] == (float)in[3 * (W + 1)] / 255.0F);

    big = describe(out, 2 * W, 2 * H, 1, ENLARGE_U8);
    CHECK(enlarge_upscale(ctx, upscaler, &small, &big, NULL, NULL, NULL) == ENLARGE_ARGUMENT); /* other channels */
    big = describe(out, 2 * W, 2 * H, 3, ENLARGE_U8);
    big.plane[0] = NULL;
    CHECK(enlarge_upscale(ctx, upscaler, &small, &big, NULL, NULL, NULL) == ENLARGE_ARGUMENT);
    big.plane[0] = out;
    big.size = 0;
    CHECK(enlarge_upscale(ctx, upscaler, &small, &big, NULL, NULL, NULL) == ENLARGE_ARGUMENT);
    big.size = sizeof big;
    CHECK(enlarge_upscale(ctx, upscaler, &small, &big, stop_at_once, &calls, NULL) == ENLARGE_CANCELLED && calls == 1);

    {
        rows from, to;
        from.pixels = in;
        from.row = 0;
        from.fail_at = H;
        to.pixels = rows_out;
        to.row = 0;
        CHECK(enlarge_upscale_rows(ctx, upscaler, &small, read_rows, &from, &big, write_rows, &to, NULL, NULL, NULL) == ENLARGE_OK);
        CHECK(from.row == H && to.row == 2 * H);
        check_doubled(in, rows_out, W, H);
        from.row = 0;
        from.fail_at = 0;
        CHECK(enlarge_upscale_rows(ctx, upscaler, &small, read_rows, &from, &big, write_rows, &to, NULL, NULL, NULL) == ENLARGE_IO);
    }

    {
        enlarge_choice choice;
        memset(&choice, 0, sizeof choice);
        choice.size = sizeof choice;
        CHECK(enlarge_choose(ctx, "film", 1, 0, &choice) == ENLARGE_OK && strcmp(choice.model, "swift-x4") == 0);
        CHECK(choice.plain > 0.1 && choice.plain < 0.5 && choice.denoise == 1 && strcmp(choice.partner, "") == 0);
        CHECK(enlarge_choose(ctx, "photo", 0, 2, &choice) == ENLARGE_OK && strcmp(choice.model, "fine-x2") == 0);
        CHECK(choice.denoise < 1 && strcmp(choice.partner, "fine-wdn-x2") == 0);
        CHECK(choice.no_deinterlace == 0 && strcmp(choice.filter_before, "") == 0);
        CHECK(enlarge_choose(ctx, "tape", 1, 2, &choice) == ENLARGE_OK && choice.no_deinterlace == 1);
        CHECK(strncmp(choice.filter_before, "bwdif", 5) == 0);
        CHECK(enlarge_choose(ctx, "tape", 0, 2, &choice) == ENLARGE_OK && choice.no_deinterlace == 0);
        CHECK(strcmp(choice.filter_before, "") == 0);
        CHECK(enlarge_choose(ctx, "anime", 0, 2, &choice) == ENLARGE_ARGUMENT && strstr(enlarge_error(ctx), "drawing") != NULL);
        CHECK(enlarge_choose(ctx, "film", 0, 2, NULL) == ENLARGE_ARGUMENT && enlarge_choose(ctx, NULL, 0, 2, &choice) == ENLARGE_ARGUMENT);
    }
    check_engine(ctx, in, out);
    CHECK(enlarge_devices(ctx, visit_device, &count_devices) == ENLARGE_OK && count_devices >= 1);
    enlarge_upscaler_destroy(upscaler);
    enlarge_upscaler_destroy(NULL);
    enlarge_model_close(NULL);
    enlarge_context_destroy(ctx);
    enlarge_context_destroy(NULL);
    if (failures == 0) printf("all right\n");
    return failures ? 1 : 0;
}
