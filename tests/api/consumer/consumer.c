/* SPDX-License-Identifier: Apache-2.0 */
#include <enlarge/enlarge.h>

#include <stdio.h>

int main(void) {
    enlarge_context* ctx = enlarge_context_create();
    enlarge_model* model = NULL;
    int ok = ctx && enlarge_model_open(ctx, "swift-x4", &model) == ENLARGE_OK;
    printf("enlarge %s: %s\n", enlarge_version(), ok ? "model opened" : enlarge_error(ctx));
    enlarge_model_close(model);
    enlarge_context_destroy(ctx);
    return ok ? 0 : 1;
}
