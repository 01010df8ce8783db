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
 * A context holds the text of the last failure and of the last answer: use one per thread. Models, engines,
 * cancellations and streams may be shared by threads; an upscaler or a session does one call at a time. Handles do not
 * depend on each other's life or on the context's. Nothing here prints, exits or throws.
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
    const enlarge_fact* facts; /* all that is known but the name, and the family's own sizes (window, heads, ...), in
                                  the order to show it; texts live as long as the model */
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
    const char* device;   /* NULL or "auto", "cpu", "cuda", "cuda:1", "vulkan", "vulkan:1", "reference" */
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
/* "cpu avx2, fp32 Winograd F(6x6,3x3)"; lives as long as the upscaler. */
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

/* Called for the next rows of a picture, in order: fill, or take, `rows->height` rows at rows->plane. Return 0 to go
 * on, anything else to stop with ENLARGE_IO. Must not throw. */
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
    const char* filter_before; /* for enlarge_video_options; "" for pictures, and where nothing has to be done */
    int32_t no_deinterlace;    /* the same: 1 where filter_before deinterlaces already */
} enlarge_choice;

/* What somebody who knows the networks would do with a "photo", "drawing", "text", "film", "tape" or "phone" picture,
 * or, with `video`, with such a video. `factor`: how much larger it shall be; 0 = not known. */
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
    const char* id;          /* "cpu", "cuda:0", "vulkan:0"; texts live as long as the engine, or as the visit */
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
    const char* description; /* "cpu avx2, fp32 Winograd F(6x6,3x3)"; texts live as long as the engine */
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

/* ---- Models: bounds, lists, downloads ------------------------------------------------------------------------- */

/* What a model file of a stranger may ask for; 0 = the default. Beyond: ENLARGE_LIMIT. */
typedef struct enlarge_model_limits {
    size_t size; /* set to sizeof(enlarge_model_limits) by the caller */
    int64_t file_bytes;      /* 4 GiB */
    int64_t header_bytes;    /* 64 MiB: a header, pickle or protobuf skeleton */
    int64_t tensors;         /* 65536 */
    int64_t tensor_elements; /* 2^28 */
    int64_t total_elements;  /* 2^30, of all tensors together */
    int32_t nesting;         /* 64: dicts in lists in dicts */
} enlarge_model_limits;
/* As enlarge_model_open() and enlarge_model_read(). `limits` may be NULL. */
ENLARGE_API enlarge_status enlarge_model_open_within(enlarge_context* ctx, const char* name,
                                                     const enlarge_model_limits* limits, enlarge_model** model);
ENLARGE_API enlarge_status enlarge_model_read_within(enlarge_context* ctx, const void* bytes, size_t byte_count,
                                                     const char* name, const enlarge_model_limits* limits,
                                                     enlarge_model** model);

/* Texts that the functions below give through a `const char**` live until the next call with the same context that
 * gives one. */

/* The built-in model to use where none is named: for pictures, or with `video` for video, to become `factor` times as
 * large (0: 4). */
ENLARGE_API enlarge_status enlarge_default_model(enlarge_context* ctx, int video, double factor, const char** name);

/* The network that removes less noise than `model` and can be blended with it: for a denoising of d,
 * enlarge_model_blend(model, partner, 1 - d). ENLARGE_ARGUMENT when there is none. */
ENLARGE_API enlarge_status enlarge_denoise_partner(enlarge_context* ctx, const char* model, const char** partner);

/* A model that somebody published. Texts live as long as the visit; "" where something is not known. */
typedef struct enlarge_public_model {
    size_t size; /* of the struct that the library knows */
    const char* name;
    const char* author;
    const char* file;
    const char* page; /* where a person finds it */
    const char* sha256;
    const char* licence; /* SPDX; "unknown" when its author named none */
    const char* licence_address;
    const char* family;
    const char* purpose; /* one line, for people */
    const char* path;    /* where it is stored here; "" when it is not */
    const char* const* aliases;
    size_t alias_count;
    const char* const* tags;
    size_t tag_count;
    const char* const* addresses; /* where a program can download the file */
    size_t address_count;
    int64_t bytes;
    int32_t scale;
    int32_t commercial; /* whether its licence allows commercial use: 1, 0, or -1 when that is not known */
    int32_t runs;       /* 1: this build runs networks of its family */
    int32_t original;   /* 1: one of the classic networks */
} enlarge_public_model;

/* What to look for; what is 0 or NULL takes everything. */
typedef struct enlarge_model_query {
    size_t size; /* set to sizeof(enlarge_model_query) by the caller */
    const char* text; /* words; each must occur in the name, author, family, a tag or the purpose, whatever its case */
    const char* family;
    int32_t scale;
    int32_t commercial; /* 1: only those whose licence is known to allow commercial use */
    int32_t runs;       /* 1: only those that this build runs */
} enlarge_model_query;

/* Public models that fit, in the registry's order. `query` may be NULL. Nothing is asked of the network. */
ENLARGE_API enlarge_status enlarge_visit_models(enlarge_context* ctx, const enlarge_model_query* query,
                                                void (*visit)(void* user, const enlarge_public_model* model),
                                                void* user);
/* The names of the models that are compiled in, sorted. */
ENLARGE_API enlarge_status enlarge_visit_builtin_models(enlarge_context* ctx,
                                                        void (*visit)(void* user, const char* name), void* user);
/* Paths of the weight files that are stored here, in enlarge_models_folder() and in the folders of ENLARGE_MODELS. */
ENLARGE_API enlarge_status enlarge_visit_stored_models(enlarge_context* ctx,
                                                       void (*visit)(void* user, const char* path), void* user);
/* The stored file for the name of a public model or of a stored file. ENLARGE_NOT_FOUND says how to get it. */
ENLARGE_API enlarge_status enlarge_model_find(enlarge_context* ctx, const char* name, const char** path);
ENLARGE_API enlarge_status enlarge_models_folder(enlarge_context* ctx, const char** folder);

/* Called on the caller's thread with the bytes there and the bytes of the whole file; return 0 to stop with
 * ENLARGE_CANCELLED: what is there is kept, and the next pull continues. Must not throw. */
typedef int (*enlarge_pull_progress)(void* user, int64_t done, int64_t total);
/* Downloads a public model into enlarge_models_folder(), checks size and SHA-256 and gives its path; nothing is done
 * when it is there already. `progress`, `cancellation` and `path` may be NULL. */
ENLARGE_API enlarge_status enlarge_model_pull(enlarge_context* ctx, const char* name, enlarge_pull_progress progress,
                                              void* user, const enlarge_cancellation* cancellation,
                                              const char** path);

/* ---- The process ------------------------------------------------------------------------------------------------ */

/* Where lines go that are not about an engine with a log of its own; NULL: nowhere. One call at a time. */
ENLARGE_API void enlarge_set_log(enlarge_log log, void* user);
/* The usual place for enlarge_options.cache_folder: $ENLARGE_CACHE, else $XDG_CACHE_HOME/enlarge, else
 * ~/.cache/enlarge; "" when there is none. */
ENLARGE_API enlarge_status enlarge_cache_folder(enlarge_context* ctx, const char** folder);

/* ---- Frames of video in memory ---------------------------------------------------------------------------------- */

/* How the planes of a frame lie. Chroma planes of odd sizes are rounded up. */
typedef enum enlarge_frame_layout {
    ENLARGE_FRAME_GREY = 0,
    ENLARGE_FRAME_I420 = 1, /* Y U V, chroma of half the width and height */
    ENLARGE_FRAME_I422 = 2, /* Y U V, chroma of half the width */
    ENLARGE_FRAME_I444 = 3, /* Y U V */
    ENLARGE_FRAME_NV12 = 4, /* Y, then U and V in turn, of half the width and height */
    ENLARGE_FRAME_P010 = 5, /* the same in 16 bits, of which the upper `bits` count */
    ENLARGE_FRAME_RGB = 6   /* R G B */
} enlarge_frame_layout;

typedef enum enlarge_range {
    ENLARGE_RANGE_UNKNOWN = 0,
    ENLARGE_RANGE_LIMITED = 1,
    ENLARGE_RANGE_FULL = 2
} enlarge_range;

/* Where a chroma sample lies among the luma samples it is for. */
typedef enum enlarge_siting {
    ENLARGE_SITING_UNKNOWN = 0,
    ENLARGE_SITING_LEFT = 1,
    ENLARGE_SITING_CENTER = 2,
    ENLARGE_SITING_TOP_LEFT = 3,
    ENLARGE_SITING_TOP = 4,
    ENLARGE_SITING_BOTTOM_LEFT = 5,
    ENLARGE_SITING_BOTTOM = 6
} enlarge_siting;

/* A frame of the caller's. Colours are told as ITU-T H.273 numbers them; what is 0 (or 2) is guessed as players do: the
 * matrix is BT.2020 where the primaries are, BT.601 up to 576 lines, else BT.709; limited range, chroma left. */
typedef struct enlarge_frame {
    size_t size; /* set to sizeof(enlarge_frame) by the caller */
    int32_t width, height;
    int32_t layout; /* enlarge_frame_layout */
    int32_t bits;   /* 8 to 16, beyond 8 in 16-bit samples; 0 = 8, or 10 of ENLARGE_FRAME_P010 */
    int32_t alpha;  /* 1: one plane more, of full size and range */
    int32_t matrix, primaries, transfer; /* matrix: 1 BT.709, 5 and 6 BT.601, 9 BT.2020 */
    int32_t range;  /* enlarge_range */
    int32_t siting; /* enlarge_siting */
    void* plane[4];
    ptrdiff_t stride_bytes[4]; /* may be negative */
} enlarge_frame;

/* Fills `out` (whose size field is set) but for its planes with what `in` becomes: size as enlarge_output_size() says,
 * the layout, bits and alpha of `in`, and its colours with every guess written down, as enlarge writes video files. */
ENLARGE_API enlarge_status enlarge_output_frame(enlarge_context* ctx, const enlarge_engine* engine,
                                                const enlarge_frame* in, double scale, int32_t width, int32_t height,
                                                int fit, enlarge_frame* out);

typedef struct enlarge_stream enlarge_stream;

/* All zero but `size` is the usual. */
typedef struct enlarge_stream_options {
    size_t size; /* set to sizeof(enlarge_stream_options) by the caller */
    int32_t no_reuse; /* 1: compute all of every frame; 0: what changed since the frame before, with the same bits */
} enlarge_stream_options;

/* Frames of one kind, one after another, in a thread of the stream's own, with the bits that enlarge gives for video
 * files. `in` and `out` say size, layout and colours of all frames; their planes are not used. Colours that `out`
 * leaves open are those of `in`. Fewer bits in `out` are dithered. `options` may be NULL. It keeps the engine alive. */
ENLARGE_API enlarge_status enlarge_stream_create(enlarge_context* ctx, const enlarge_engine* engine,
                                                 const enlarge_frame* in, const enlarge_frame* out,
                                                 const enlarge_stream_options* options, enlarge_stream** stream);
/* Stops what is in work; afterwards no frame's memory is touched. */
ENLARGE_API void enlarge_stream_destroy(enlarge_stream* stream);
/* Enlarges `in` into the planes of `out`; returns at once. Both planes must live until enlarge_stream_next() gives
 * `user` back. How many frames wait is the caller's choice: two keep the stream busy. Any thread. */
ENLARGE_API enlarge_status enlarge_stream_submit(enlarge_context* ctx, enlarge_stream* stream, const enlarge_frame* in,
                                                 const enlarge_frame* out, void* user);

typedef struct enlarge_frame_done {
    size_t size; /* set to sizeof(enlarge_frame_done) by the caller */
    int32_t finished; /* 1: a frame is finished or has failed; 0: none, within that time */
    int32_t waiting;  /* frames that were submitted after it and not yet given back */
    void* user;       /* as submitted */
    double computed;  /* share of the frame that was computed; the rest had not changed */
    int64_t recomputed_tiles; /* that overflowed and were computed again in full precision */
} enlarge_frame_done;

/* The next frame in the order of submission; a status other than ENLARGE_OK with `finished` = 1 is that frame's own.
 * Waits for so many `seconds`, negative: until it is finished. Not at all where nothing was submitted. Any thread. */
ENLARGE_API enlarge_status enlarge_stream_next(enlarge_context* ctx, enlarge_stream* stream, double seconds,
                                               enlarge_frame_done* done);
/* After a seek: forgets all frames that were submitted and not yet given back, the one in work included. Afterwards
 * their memory is not touched. */
ENLARGE_API enlarge_status enlarge_stream_flush(enlarge_context* ctx, enlarge_stream* stream);

/* ---- Files ------------------------------------------------------------------------------------------------------ */

/* All zero but `size` is what `enlarge in.png -o out.png` does. */
typedef struct enlarge_picture_options {
    size_t size; /* set to sizeof(enlarge_picture_options) by the caller */
    double scale; /* as enlarge_output_size() */
    int32_t width, height, fit;
    const char* format;     /* of the output: "png", "jpg", "avif" ...; NULL: by its name */
    int32_t quality;        /* 1 to 100 of lossy formats; 0 = the format's default */
    int32_t lossless;       /* 1: WebP and JPEG XL without loss */
    int32_t overwrite;      /* 1: replace an output that is there; 0: ENLARGE_EXISTS */
    int32_t page;           /* of several, from 1; 0 = the first, with a notice when there are more */
    int32_t allow_damaged;  /* 1: decode what there is of a damaged file */
    int32_t no_provenance;  /* 1: do not record the network's name in the picture */
    const char* background; /* "#rrggbb" to put behind what is transparent; NULL: stays transparent */
    enlarge_log notice;     /* remarks: what was lost, what was chosen */
    void* notice_user;
} enlarge_picture_options;

typedef struct enlarge_file_report {
    size_t size; /* set to sizeof(enlarge_file_report) by the caller */
    int32_t in_width, in_height, out_width, out_height;
    int32_t passes;
    int64_t tiles, recomputed_tiles;
    double seconds; /* in the network */
} enlarge_file_report;

/* A picture file, with its metadata and colours. `options`, `call` and `report` may be NULL. */
ENLARGE_API enlarge_status enlarge_picture_file(enlarge_context* ctx, enlarge_session* session, const char* input,
                                                const char* output, const enlarge_picture_options* options,
                                                const enlarge_call* call, enlarge_file_report* report);

typedef struct enlarge_video_progress {
    size_t size; /* of the struct that the library knows */
    int64_t frames, frames_total; /* finished, of an estimate; a total of 0 is not known */
    int64_t resumed_frames;       /* of an earlier run */
    double fraction;              /* 0 to 1; 0 if the total is not known */
    double frames_per_second, speed; /* lately; seconds of video per second */
    double seconds_left;          /* negative if not known */
    int64_t output_bytes;
    int32_t stopping;             /* 1: after ENLARGE_VIDEO_STOP_SOON, until the segment is closed */
    int64_t frames_to_stop;       /* how many frames that still takes */
} enlarge_video_progress;

typedef enum enlarge_video_control {
    ENLARGE_VIDEO_STOP_NOW = 0,  /* ENLARGE_CANCELLED at once; closed segments are kept */
    ENLARGE_VIDEO_GO_ON = 1,
    ENLARGE_VIDEO_STOP_SOON = 2  /* finish the segment in work, so that nothing is lost, then ENLARGE_CANCELLED */
} enlarge_video_control;

/* About ten times a second on the caller's thread; returns an enlarge_video_control. Must not throw. */
typedef int (*enlarge_video_watch)(void* user, const enlarge_video_progress* progress);

/* All zero but `size` is what `enlarge in.mkv -o out.mkv` does. Lists of options are "key=value" with newlines
 * between. */
typedef struct enlarge_video_options {
    size_t size; /* set to sizeof(enlarge_video_options) by the caller */
    double scale; /* as enlarge_output_size() */
    int32_t width, height, fit;
    int32_t overwrite; /* 1: replace an output that is there; 0: ENLARGE_EXISTS */
    const char* input_format;      /* FFmpeg's name; NULL: found out */
    const char* input_options;
    const char* container;         /* "mkv", "mp4", "y4m"; NULL: by the output's name; NUT to a pipe */
    const char* container_options;
    const char* video_codec;       /* FFmpeg's name of the encoder; NULL: by container and size */
    const char* preset;
    const char* encoder_options;
    const char* pixel_format;      /* of the output, by FFmpeg's name */
    const char* filter_before;     /* FFmpeg's filters before the network, and after it */
    const char* filter_after;
    double crf;                    /* in the encoder's own scale, where has_crf is 1 */
    int32_t has_crf;
    int32_t no_deinterlace, square_pixels, skip_unsupported;
    int32_t no_reuse;              /* 1: compute every frame, even if nothing changed */
    int32_t restart;               /* 1: throw unfinished work away */
    int32_t segment_frames;        /* 0 = 120 */
    int32_t codec_threads;         /* 0: as in the command line */
    int32_t gpu_decode;
    int32_t live;
    double from_seconds, to_seconds; /* to: 0 = the end */
    double frame_rate;             /* of an image sequence; 0 = 25 */
    double timeout_seconds;        /* of addresses; 0 = 15 */
    double drop_after_seconds;     /* live: frames that are this late are dropped; 0 = never */
    int64_t max_pixels;            /* of a frame; 0 = the engine's */
    int32_t max_side;
    enlarge_video_watch watch;
    void* watch_user;
    const enlarge_cancellation* cancellation; /* as ENLARGE_VIDEO_STOP_NOW, from any thread */
    enlarge_log notice;            /* decisions and remarks, from several threads, one call at a time */
    void* notice_user;
} enlarge_video_options;

typedef struct enlarge_video_report {
    size_t size; /* set to sizeof(enlarge_video_report) by the caller */
    int32_t in_width, in_height, out_width, out_height;
    int64_t frames_in, frames_out, resumed_frames, reused_frames, partial_frames, damaged, dropped_frames,
        retimed_frames, recomputed_tiles;
    int64_t output_bytes;
    int32_t input_cut_short; /* 1: the file ended before its end */
    double computed_share;   /* of all pixels of this run */
    double seconds;
} enlarge_video_report;

/* A file of video, a pattern ("f_%06d.png"), an address, or "-"; sound, subtitles and all else are copied. Work on
 * files is kept in the folder "<output>.enlarge": after a crash the same call continues. `options` and `report` may be
 * NULL. */
ENLARGE_API enlarge_status enlarge_video_file(enlarge_context* ctx, enlarge_session* session, const char* input,
                                              const char* output, const enlarge_video_options* options,
                                              enlarge_video_report* report);
/* 1 when a file holds moving pictures: by content where it can be read, else by name. */
ENLARGE_API int enlarge_is_video_file(const char* path);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* ENLARGE_ENLARGE_H */
