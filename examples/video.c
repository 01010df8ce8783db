/* SPDX-License-Identifier: Apache-2.0 */
/* Enlarges a video file and shows how far it is:  video small.mkv big.mkv
 * Ctrl-C finishes the segment in work; the same command then continues where it ended. */
#include <enlarge/enlarge.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile sig_atomic_t interrupted = 0;
static void interrupt(int number) {
    (void)number;
    interrupted = 1;
}

static int watch(void* user, const enlarge_video_progress* progress) {
    (void)user;
    fprintf(stderr, "\rframe %lld, %.1f frames/s ", (long long)progress->frames, progress->frames_per_second);
    return interrupted ? ENLARGE_VIDEO_STOP_SOON : ENLARGE_VIDEO_GO_ON;
}

static void tell(void* user, int32_t level, const char* code, const char* text) {
    (void)user;
    (void)level;
    fprintf(stderr, "%s: %s\n", code, text);
}

int main(int argc, char** argv) {
    enlarge_context* ctx = enlarge_context_create();
    enlarge_model* model = NULL;
    enlarge_engine* engine = NULL;
    enlarge_session* session = NULL;
    enlarge_video_options options;
    enlarge_video_report report;
    int ok = ctx && argc == 3;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.watch = watch;
    options.notice = tell;
    memset(&report, 0, sizeof report);
    report.size = sizeof report;
    signal(SIGINT, interrupt);
    ok = ok && enlarge_model_open(ctx, "swift-x2", &model) == ENLARGE_OK &&
         enlarge_engine_create(ctx, model, NULL, &engine) == ENLARGE_OK &&
         enlarge_session_create(ctx, engine, &session) == ENLARGE_OK &&
         enlarge_video_file(ctx, session, argv[1], argv[2], &options, &report) == ENLARGE_OK;
    if (ok)
        printf("\n%lld frames of %dx%d became %dx%d\n", (long long)report.frames_out, (int)report.in_width,
               (int)report.in_height, (int)report.out_width, (int)report.out_height);
    else
        fprintf(stderr, "video: %s\n", argc == 3 ? enlarge_error(ctx) : "expected two names of files");
    enlarge_session_destroy(session);
    enlarge_engine_destroy(engine);
    enlarge_model_close(model);
    enlarge_context_destroy(ctx);
    return ok ? 0 : 1;
}
