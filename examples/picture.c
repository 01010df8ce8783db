/* SPDX-License-Identifier: Apache-2.0 */
/* Enlarges a picture file:  picture small.png big.png */
#include <enlarge/enlarge.h>

#include <stdio.h>
#include <string.h>

int main(int argc, char** argv) {
    enlarge_context* ctx = enlarge_context_create();
    enlarge_model* model = NULL;
    enlarge_engine* engine = NULL;
    enlarge_session* session = NULL;
    enlarge_picture_options options;
    int ok = ctx && argc == 3;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.overwrite = 1;
    ok = ok && enlarge_model_open(ctx, "swift-x4", &model) == ENLARGE_OK &&
         enlarge_engine_create(ctx, model, NULL, &engine) == ENLARGE_OK &&
         enlarge_session_create(ctx, engine, &session) == ENLARGE_OK &&
         enlarge_picture_file(ctx, session, argv[1], argv[2], &options, NULL, NULL) == ENLARGE_OK;
    if (!ok) fprintf(stderr, "picture: %s\n", argc == 3 ? enlarge_error(ctx) : "expected two names of files");
    enlarge_session_destroy(session);
    enlarge_engine_destroy(engine);
    enlarge_model_close(model);
    enlarge_context_destroy(ctx);
    return ok ? 0 : 1;
}
