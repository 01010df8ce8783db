/* SPDX-License-Identifier: Apache-2.0 */
/* Enlarges a binary PPM picture with a built-in model:  image small.ppm big.ppm
 * Without arguments it enlarges a gradient and checks the result, which is how ctest runs it. */
#include <enlarge/enlarge.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enlarge_image describe(unsigned char* pixels, int width, int height) {
    enlarge_image image;
    memset(&image, 0, sizeof image);
    image.size = sizeof image;
    image.width = width;
    image.height = height;
    image.channels = 3;
    image.sample = ENLARGE_U8;
    image.plane[0] = pixels;
    image.stride_bytes[0] = 3 * (ptrdiff_t)width;
    return image;
}

static unsigned char* read_ppm(const char* path, int* width, int* height) {
    FILE* file = fopen(path, "rb");
    unsigned char* pixels = NULL;
    if (file && fscanf(file, "P6 %d %d 255", width, height) == 2 && fgetc(file) != EOF && *width > 0 && *height > 0 &&
        *width < 32768 && *height < 32768) {
        size_t bytes = 3 * (size_t)*width * (size_t)*height;
        pixels = malloc(bytes);
        if (pixels && fread(pixels, 1, bytes, file) != bytes) {
            free(pixels);
            pixels = NULL;
        }
    }
    if (file) fclose(file);
    return pixels;
}

static unsigned char* gradient(int* width, int* height) {
    unsigned char* pixels;
    int x, y;
    *width = 48;
    *height = 32;
    pixels = malloc(3 * 48 * 32);
    if (!pixels) return NULL;
    for (y = 0; y < 32; ++y)
        for (x = 0; x < 48; ++x) {
            unsigned char* p = pixels + 3 * (48 * y + x);
            p[0] = (unsigned char)(5 * x);
            p[1] = (unsigned char)(7 * y);
            p[2] = 100;
        }
    return pixels;
}

/* 1 when the middle of the result has the colour of the middle of the input. */
static int looks_right(const unsigned char* in, int width, int height, const unsigned char* out, int scale) {
    const unsigned char* a = in + 3 * (width * (height / 2) + width / 2);
    const unsigned char* b = out + 3 * ((size_t)width * scale * (size_t)(height / 2 * scale) + (size_t)(width / 2 * scale));
    int c;
    for (c = 0; c < 3; ++c)
        if (abs(a[c] - b[c]) > 16) return 0;
    return 1;
}

int main(int argc, char** argv) {
    int width = 0, height = 0, ok = 0;
    int32_t out_width = 0, out_height = 0;
    unsigned char* small = argc == 3 ? read_ppm(argv[1], &width, &height) : gradient(&width, &height);
    unsigned char* big = NULL;
    enlarge_context* ctx = enlarge_context_create();
    enlarge_model* model = NULL;
    enlarge_upscaler* upscaler = NULL;
    if (!small || !ctx) {
        fprintf(stderr, "no picture, or no memory\n");
        return 1;
    }
    if (enlarge_model_open(ctx, "swift-x4", &model) == ENLARGE_OK &&
        enlarge_upscaler_create(ctx, model, NULL, &upscaler) == ENLARGE_OK &&
        enlarge_output_size(ctx, model, width, height, 0, 0, 0, 1, &out_width, &out_height) == ENLARGE_OK) {
        big = malloc(3 * (size_t)out_width * (size_t)out_height);
        if (big) {
            enlarge_image in = describe(small, width, height), out = describe(big, out_width, out_height);
            ok = enlarge_upscale(ctx, upscaler, &in, &out, NULL, NULL, NULL) == ENLARGE_OK;
        }
    }
    if (!ok) fprintf(stderr, "image: %s\n", enlarge_error(ctx));
    if (ok && argc == 3) {
        FILE* file = fopen(argv[2], "wb");
        ok = file && fprintf(file, "P6\n%d %d\n255\n", (int)out_width, (int)out_height) > 0 &&
             fwrite(big, 3 * (size_t)out_width, (size_t)out_height, file) == (size_t)out_height;
        if (file && fclose(file) != 0) ok = 0;
    } else if (ok) {
        ok = looks_right(small, width, height, big, out_width / width);
        printf("%dx%d enlarged to %dx%d by %s: %s\n", width, height, (int)out_width, (int)out_height,
               enlarge_upscaler_path(upscaler), ok ? "right" : "WRONG");
    }
    enlarge_upscaler_destroy(upscaler);
    enlarge_model_close(model);
    enlarge_context_destroy(ctx);
    free(small);
    free(big);
    return ok ? 0 : 1;
}
