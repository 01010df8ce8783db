/* SPDX-License-Identifier: Apache-2.0 */
/* enlarge: pictures larger and cleaner with Real-ESRGAN-family networks. The C interface (C99), with a stable ABI:
 * functions and enumerators are only added, structs only grow at the end, and `size` says which version of a struct the
 * caller knows.
 *
 *     enlarge_context* ctx = enlarge_context_create();
 *     enlarge_model* model = NULL;
 *     enlarge_upscaler* upscaler = NULL;
 *     if (enlarge_model_open(ctx, "swift-x4", &model) || enlarge_upscaler_create(ctx, model, NULL, &upscaler) ||
 *         enlarge_upscale(ctx, upscaler, &small, &big, NULL, NULL, NULL))
 *         fprintf(stderr, "%s\n", enlarge_error(ctx));
 *     enlarge_upscaler_destroy(upscaler);
 *     enlarge_model_close(model);
 *     enlarge_context_destroy(ctx);
 *
 * A context holds the text of the last failure and nothing else: use one per thread. Models, engines and cancellations
 * may be shared by threads; an upscaler or a session does one call at a time. Handles do not depend on each other's
 * life or on the context's. Nothing here prints, exits or throws.
 *
 * An upscaler is an engine with one session: programs of many threads compile one engine and give each thread a
 * session. */
#ifndef ENLARGE_ENLARGE_H
#define ENLARGE_ENLARGE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define ENLARGE_API __attribute__((visibility("default")))
#else
#define ENLARGE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct enlarge_context enlarge_context;
typedef struct enlarge_model enlarge_model;
typedef struct enlarge_upscaler enlarge_upscaler;
typedef struct enlarge_engine enlarge_engine;
typedef struct enlarge_session enlarge_session;
typedef struct enlarge_cancellation enlarge_cancellation;

/* What kind of failure it is; the text says the rest. */
typedef enum enlarge_status {
    ENLARGE_OK = 0,
    ENLARGE_INTERNAL = 1,    /* a bug of ours */
    ENLARGE_ARGUMENT = 2,    /* an option that cannot be meant */
    ENLARGE_NOT_FOUND = 3,   /* a file, model or device that is not there */
    ENLARGE_IO = 4,          /* reading or writing failed */
    ENLARGE_EXISTS = 5,      /* the output is there already */
    ENLARGE_FORMAT = 6,      /* a file that is damaged or not what it claims to be */
    ENLARGE_UNSUPPORTED = 7, /* understood, and not something we do */
    ENLARGE_LIMIT = 8,       /* larger than allowed */
    ENLARGE_MEMORY = 9,      /* not enough memory */
    ENLARGE_DEVICE = 10,     /* a device is missing, too old or failed */
    ENLARGE_NETWORK = 11,    /* a download failed */
    ENLARGE_NUMERIC = 12,    /* the network produced NaN or infinity in full precision */
    ENLARGE_CANCELLED = 13   /* stopped by the caller */
} enlarge_status;

/* "0.1.0" */
ENLARGE_API const char* enlarge_version(void);

/* NULL when there is no memory. */
ENLARGE_API enlarge_context* enlarge_context_create(void);
ENLARGE_API void enlarge_context_destroy(enlarge_context* ctx);
/* The text of the last failure of a call with this context, "" when there was none; valid until the next such call. */
ENLARGE_API const char* enlarge_error(const enlarge_context* ctx);

/* `name`: a path, a built-in model ("swift-x4"), or a public model that is stored here. */
ENLARGE_API enlarge_status enlarge_model_open(enlarge_context* ctx, const char* name, enlarge_model** model);
/* A weight file in memory: .pth, .safetensors or .onnx. `name` is for messages and may be NULL. */
ENLARGE_API enlarge_status enlarge_model_read(enlarge_context* ctx, const void* bytes, size_t byte_count,
                                              const char* name, enlarge_model** model);
/* (1 - share) * a + share * b, tensor by tensor. */
ENLARGE_API enlarge_status enlarge_model_blend(enlarge_context* ctx, const enlarge_model* a, const enlarge_model* b,
                                               float share, enlarge_model** model);
ENLARGE_API void enlarge_model_close(enlarge_model* model);

/* One thing to know about a network: "features" is "64". */
typedef struct enlarge_fact {
    const char* key;
    const char* value;
} enlarge_fact;

typedef struct enlarge_model_info {
    size_t size; /* set to sizeof(enlarge_model_info) by the caller */
    const char* name;    /* texts live as long as the model */
    const char* family;  /* "Compact", "RRDB", "SPAN" */
    const char* licence; /* "" if not known */
    int32_t scale, channels;
    int32_t features, blocks; /* the numbers that the facts of these keys begin with; 0 of families without them */
    int32_t receptive_radius; /* input pixels around a pixel that can change it; -1: the whole picture */
    int64_t parameters;
    double macs_per_pixel;
    const char* variant;       /* key style or form, for people; "" if there is only one */
    const enlarge_fact* facts; /* all that is known but the name, and the family's own sizes (window, heads, ...), in the
                                  order to show it; texts live as long as the model */
    size_t fact_count;
    int32_t size_multiple; /* pictures whose sides are no multiples of it are continued at the right and bottom */
    int32_t tiles_exact;   /* 1: in tiles the result has the bits of the picture in one piece */
} enlarge_model_info;
ENLARGE_API enlarge_status enlarge_model_describe(enlarge_context* ctx, const enlarge_model* model,
                                                  enlarge_model_info* info);

typedef enum enlarge_precision {
    ENLARGE_PRECISION_AUTO = 0,
    ENLARGE_PRECISION_FP32 = 1,
    ENLARGE_PRECISION_FP16 = 2,
    ENLARGE_PRECISION_INT16 = 3,
    ENLARGE_PRECISION_INT8 = 4
} enlarge_precision;

typedef enum enlarge_alpha { ENLARGE_ALPHA_NETWORK = 0, ENLARGE_ALPHA_LANCZOS = 1 } enlarge_alpha;

typedef enum enlarge_log_level {
    ENLARGE_LOG_DEBUG = 0,
    ENLARGE_LOG_INFO = 1,
    ENLARGE_LOG_NOTICE = 2, /* what the user should know */
    ENLARGE_LOG_WARNING = 3
} enlarge_log_level;
/* A line about an engine or the work of its sessions, from whatever thread does the work, one call at a time. `code` is
 * "" but for notices and warnings; texts live as long as the call. Must not throw. */
typedef void (*enlarge_log)(void* user, int32_t level, const char* code, const char* text);

/* All zero but `size` means: the best device, automatic precision, all cores, half of the free memory. */
typedef struct enlarge_options {
    size_t size;          /* set to sizeof(enlarge_options) by the caller */
    const char* device;   /* NULL or "auto", "cpu", "cuda", "cuda:1", "reference" */
    int32_t precision;    /* enlarge_precision */
    int32_t threads;      /* 0 = all usable cores */
    int64_t memory_bytes; /* 0 = half of what is free */
    int32_t tile;         /* largest tile side in input pixels; 0 = from the memory limit */
    int32_t tta;          /* 1: average over the 8 symmetries */
    int32_t alpha;        /* enlarge_alpha */
    const char* cache_folder; /* where automatic precision keeps what it measured about a network; NULL = nowhere */
    double plain; /* 0 to 1: share of the plain (Lanczos) enlargement mixed in; 0 = the network's picture alone */
    enlarge_log log;    /* NULL: nobody is told */
    void* log_user;
    int64_t max_pixels; /* of a picture, on either side of the network; beyond: ENLARGE_LIMIT. 0 = 2^36 */
    int32_t max_side;   /* likewise, width or height; 0 = 2^24 */
} enlarge_options;

/* `options` may be NULL. The upscaler keeps the model alive by itself. */
ENLARGE_API enlarge_status enlarge_upscaler_create(enlarge_context* ctx, const enlarge_model* model,
                                                   const enlarge_options* options, enlarge_upscaler** upscaler);
ENLARGE_API void enlarge_upscaler_destroy(enlarge_upscaler* upscaler);
/* "cpu avx2, fp32 Winograd F(4x4,3x3)"; lives as long as the upscaler. */
ENLARGE_API const char* enlarge_upscaler_path(const enlarge_upscaler* upscaler);

typedef enum enlarge_sample {
    ENLARGE_U8 = 0,
    ENLARGE_U16 = 1, /* 9 to 16 significant bits in the low end */
    ENLARGE_F16 = 2,
    ENLARGE_F32 = 3  /* 0 black, 1 white */
} enlarge_sample;

/* Pixels of the caller's, for the length of a call. */
typedef struct enlarge_image {
    size_t size; /* set to sizeof(enlarge_image) by the caller */
    int32_t width, height;
    int32_t channels; /* 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA (alpha last, not premultiplied) */
    int32_t sample;   /* enlarge_sample */
    int32_t bits;     /* of ENLARGE_U16: 9 to 16, 0 = 16; else ignored */
    int32_t planar;   /* 1: one plane per channel; 0: one packed plane */
    void* plane[4];
    ptrdiff_t stride_bytes[4]; /* may be negative */
} enlarge_image;

/* The output size: for a scale (0 = the model's own), or for a width and height of which one may be 0; with both given,
 * `fit` keeps the shape inside of them, else the picture is stretched. */
ENLARGE_API enlarge_status enlarge_output_size(enlarge_context* ctx, const enlarge_model* model, int32_t in_width,
                                               int32_t in_height, double scale, int32_t width, int32_t height,
                                               int fit, int32_t* out_width, int32_t* out_height);

typedef struct enlarge_report {
    size_t size; /* set to sizeof(enlarge_report) by the caller */
    int32_t passes;
    int64_t tiles, recomputed_tiles;
    double seconds;
} enlarge_report;

/* Called on the caller's thread with 0..1; return 0 to stop with ENLARGE_CANCELLED. Must not throw. */
typedef int (*enlarge_progress)(void* user, double fraction);

/* Enlarges `in` into the memory of `out`, whose size decides the factor; both have the same channels. `progress` and
 * `report` may be NULL. */
ENLARGE_API enlarge_status enlarge_upscale(enlarge_context* ctx, enlarge_upscaler* upscaler, const enlarge_image* in,
                                           const enlarge_image* out, enlarge_progress progress, void* user,
                                           enlarge_report* report);

/* Called for the next rows of a picture, in order: fill, or take, `rows->height` rows at rows->plane. Return 0 to go on,
 * anything else to stop with ENLARGE_IO. Must not throw. */
typedef int (*enlarge_rows)(void* user, const enlarge_image* rows);

/* A picture of any size in bounded memory. `in` and `out` give size and format; their planes are not used. */
ENLARGE_API enlarge_status enlarge_upscale_rows(enlarge_context* ctx, enlarge_upscaler* upscaler,
                                                const enlarge_image* in, enlarge_rows read, void* read_user,
                                                const enlarge_image* out, enlarge_rows write, void* write_user,
                                                enlarge_progress progress, void* user, enlarge_report* report);

typedef struct enlarge_choice {
    size_t size;         /* set to sizeof(enlarge_choice) by the caller */
    const char* model;   /* for enlarge_model_open; texts live until the next enlarge_choose with this context */
    const char* partner; /* which removes less noise: blend it in with a share of 1 - denoise; "" when denoise is 1 */
    double denoise;
    double plain;        /* for enlarge_options */
} enlarge_choice;

/* What somebody who knows the networks would do with a "photo", "drawing", "text", "film", "tape" or "phone" picture, or, with
 * `video`, with such a video. `factor`: how much larger it shall be; 0 = not known. */
ENLARGE_API enlarge_status enlarge_choose(enlarge_context* ctx, const char* kind, int video, double factor,
                                          enlarge_choice* choice);

/* Stopping work from another thread, or after a time. */
/* `seconds` from now the work is stopped; 0 = only by enlarge_cancel(). NULL when there is no memory. */
ENLARGE_API enlarge_cancellation* enlarge_cancellation_create(double seconds);
/* Any thread; cannot be taken back. */
ENLARGE_API void enlarge_cancel(enlarge_cancellation* cancellation);
/* Calls that were given it keep what they need of it. */
ENLARGE_API void enlarge_cancellation_destroy(enlarge_cancellation* cancellation);

/* What goes with one call; all zero but `size` means: nothing. */
typedef struct enlarge_call {
    size_t size; /* set to sizeof(enlarge_call) by the caller */
    enlarge_progress progress;
    void* progress_user;
    const enlarge_cancellation* cancellation; /* stops the call with ENLARGE_CANCELLED; the text says why */
} enlarge_call;

/* Compiles a model for a device, which may take seconds; the engine never changes, and any number of threads may use
 * it. `options` may be NULL. It keeps the model alive by itself. */
ENLARGE_API enlarge_status enlarge_engine_create(enlarge_context* ctx, const enlarge_model* model,
                                                 const enlarge_options* options, enlarge_engine** engine);
ENLARGE_API void enlarge_engine_destroy(enlarge_engine* engine);

typedef enum enlarge_device_kind {
    ENLARGE_DEVICE_CPU = 0,
    ENLARGE_DEVICE_GPU = 1,
    ENLARGE_DEVICE_REFERENCE = 2 /* plain loops, for tests */
} enlarge_device_kind;

typedef struct enlarge_device_info {
    size_t size; /* set to sizeof(enlarge_device_info) by the caller */
    const char* id;          /* "cpu", "cuda:0"; texts live as long as the engine, or as the visit */
    const char* name;
    const char* detail;      /* driver, precisions; or why it cannot be used */
    const char* fallback_to; /* the device that "auto" goes on to when this one cannot run a network; "" = none */
    int64_t memory_bytes;
    int32_t kind;       /* enlarge_device_kind */
    int32_t usable;
    int32_t precisions; /* 1 << enlarge_precision for each that can be asked for by name */
    int32_t takes_frames; /* 1: frames of video go in and out in 4:2:0 */
} enlarge_device_info;

typedef struct enlarge_engine_info {
    size_t size; /* set to sizeof(enlarge_engine_info) by the caller */
    const char* description; /* "cpu avx2, fp32 Winograd F(4x4,3x3)"; texts live as long as the engine */
    int32_t precision;       /* enlarge_precision, for pictures of 8 bits; deeper ones may run in fp32 */
    int32_t devices;         /* that sessions take in turn */
    int32_t plain_loops;     /* 1: computed as the device "reference" does, slowly: no kernels were used */
} enlarge_engine_info;
/* Either of `info` and `device` may be NULL. */
ENLARGE_API enlarge_status enlarge_engine_describe(enlarge_context* ctx, const enlarge_engine* engine,
                                                   enlarge_engine_info* info, enlarge_device_info* device);

/* Cheap: memory is taken by the first picture. The session keeps the engine alive by itself. */
ENLARGE_API enlarge_status enlarge_session_create(enlarge_context* ctx, const enlarge_engine* engine,
                                                  enlarge_session** session);
ENLARGE_API void enlarge_session_destroy(enlarge_session* session);
/* Bytes of working memory that enlarge_session_upscale() would take for such pictures, an estimate from above that
 * takes none of it; planes are not used. ENLARGE_MEMORY when it cannot be done within the limits. */
ENLARGE_API enlarge_status enlarge_session_memory(enlarge_context* ctx, const enlarge_session* session,
                                                  const enlarge_image* in, const enlarge_image* out, int64_t* bytes);
/* As enlarge_upscale() and enlarge_upscale_rows(). `call` and `report` may be NULL. */
ENLARGE_API enlarge_status enlarge_session_upscale(enlarge_context* ctx, enlarge_session* session,
                                                   const enlarge_image* in, const enlarge_image* out,
                                                   const enlarge_call* call, enlarge_report* report);
ENLARGE_API enlarge_status enlarge_session_upscale_rows(enlarge_context* ctx, enlarge_session* session,
                                                        const enlarge_image* in, enlarge_rows read, void* read_user,
                                                        const enlarge_image* out, enlarge_rows write,
                                                        void* write_user, const enlarge_call* call,
                                                        enlarge_report* report);

/* Calls `visit` for everything that can run networks here, best first, and for what cannot. */
ENLARGE_API enlarge_status enlarge_visit_devices(enlarge_context* ctx,
                                                 void (*visit)(void* user, const enlarge_device_info* device),
                                                 void* user);

/* The same with less: for everything that can run networks here, best first, and for what cannot with the reason in
 * `detail`. */
ENLARGE_API enlarge_status enlarge_devices(enlarge_context* ctx,
                                           void (*visit)(void* user, const char* id, const char* name,
                                                         int64_t memory_bytes, int usable, const char* detail),
                                           void* user);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* ENLARGE_ENLARGE_H */
