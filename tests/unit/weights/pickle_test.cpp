// SPDX-License-Identifier: Apache-2.0
#include "weights/pickle.hpp"

#include <gtest/gtest.h>

#include "unit/weights/builders.hpp"

namespace enlarge::pickle {
namespace {

using namespace enlarge::test;

// A readable form of a value, as Python would print it.
std::string show(const Document& doc, Value v) {
    const auto list = [&](const std::vector<Value>& items) {
        std::string out;
        for (const Value item : items) out += (out.empty() ? "" : ", ") + show(doc, item);
        return out;
    };
    switch (v.kind) {
        case Kind::none: return "None";
        case Kind::boolean: return v.integer ? "True" : "False";
        case Kind::integer: return std::to_string(v.integer);
        case Kind::big_integer: return "big";
        case Kind::real: return std::to_string(v.real);
        case Kind::text: return "'" + std::string(doc.text(v)) + "'";
        case Kind::bytes: return "b'" + std::string(doc.text(v)) + "'";
        case Kind::tuple: return "(" + list(doc.items(v)) + ")";
        case Kind::list: return "[" + list(doc.items(v)) + "]";
        case Kind::set: return "{" + list(doc.items(v)) + "}";
        case Kind::dict: {
            std::string out;
            for (const auto& [key, value] : doc.entries(v)) out += (out.empty() ? "" : ", ") + show(doc, key) + ": " + show(doc, value);
            return "{" + out + "}";
        }
        case Kind::symbol: return "symbol";
        case Kind::global: return "<" + std::string(doc.text(v)) + ">";
        case Kind::object: {
            std::string out = std::string(doc.class_name(v)) + "(" + list(doc.items(v));
            for (const auto& [key, value] : doc.entries(v)) out += " " + show(doc, key) + "=" + show(doc, value);
            return out + ")";
        }
        case Kind::call: return "call(" + list(doc.items(v)) + ")";
        case Kind::persistent: return "stored(" + list(doc.items(v)) + ")";
    }
    return "?";
}

std::string show(const std::string& text, const Limits& limits = {}) {
    ByteReader in(as_bytes(text));
    const auto doc = Document::read(in, limits);
    return doc ? show(*doc, doc->root()) : "error: " + doc.error().message;
}

// What Python 3 writes, in fuzz/seeds/pickle (tools/make_weight_fixtures.py).
std::string python_pickle(const std::string& name) {
    return file_text(source_folder() + "/fuzz/seeds/pickle/" + name);
}

TEST(pickle, every_protocol_gives_the_same_value) {
    for (int protocol = 0; protocol <= 5; ++protocol)
        EXPECT_EQ(show(python_pickle("plain" + std::to_string(protocol) + ".pkl")),
                  "{'a': [1, -2, 1099511627776, big, 1.500000, True, None, 'text', (1, 2), []], 'empty': ()}")
            << protocol;
    for (int protocol = 4; protocol <= 5; ++protocol)
        EXPECT_EQ(show(python_pickle("sets" + std::to_string(protocol) + ".pkl")), "(b'bytes', {3}, {4})") << protocol;
}

TEST(pickle, reads_the_text_opcodes_of_protocol_0) {
    EXPECT_EQ(show("(dp0\nS'a'\np1\n(lp2\nI1\naL-5L\naI01\naI00\naF1.5\naNaV\\u00e9\\x41\np3\naS'q\\'\\n'\nag3\nas."),
              "{'a': [1, -5, True, False, 1.500000, None, '\xc3\xa9\x41', 'q'\n', '\xc3\xa9\x41']}");
}

TEST(pickle, integers_of_every_width_keep_their_sign) {
    EXPECT_EQ(show(std::string("(K\xffM\xff\xffJ\xff\xff\xff\xff\x8a\x00\x8a\x01\xff\x8a\x02\x00\x80\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80t.", 32)),
              "(255, 65535, -1, 0, -1, -32768, -9223372036854775808)");
}

TEST(pickle, ordered_dicts_are_dicts_with_or_without_pairs) {
    EXPECT_EQ(show("ccollections\nOrderedDict\n)R."), "{}");
    EXPECT_EQ(show("ccollections\nOrderedDict\n((" + p_text("k") + p_int(1) + "ttR."), "error: damaged pickle at byte 41: OrderedDict made from something else than pairs");
    EXPECT_EQ(show("ccollections\nOrderedDict\n(](" + p_text("k") + p_int(1) + "tatR."), "{'k': 1}");
    EXPECT_EQ(show("ccollections\nOrderedDict\n)R(" + p_text("k") + p_int(1) + "u}b."), "{'k': 1}");
}

TEST(pickle, the_memo_shares_and_does_not_copy) {
    EXPECT_EQ(show("]q\x01(h\x01" "0K\x01" "e."), "[1]");
    EXPECT_EQ(show(std::string("(]q\x00K\x01" "ah\x00t.", 11)), "([1], [1])");
}

TEST(pickle, a_list_that_contains_itself_ends_at_the_nesting_limit) {
    std::string text = std::string("]q\x00", 3);
    for (int i = 0; i < 70; ++i) text += std::string("h\x00" "a", 3);
    EXPECT_EQ(show(text + "."), "error: objects nested more than 64 deep");
}

TEST(pickle, deep_nesting_is_refused_and_does_not_recurse) {
    const std::size_t depth = 200000;
    EXPECT_EQ(show(std::string(depth, ']') + std::string(depth, 'a') + "."), "error: objects nested more than 64 deep");
    EXPECT_EQ(show("N" + std::string(depth, '\x85') + "."), "error: objects nested more than 64 deep");
    EXPECT_EQ(show(std::string(depth, '(') + "."), "error: damaged pickle at byte 200001: the stack is empty");
}

TEST(pickle, a_doubling_tower_of_tuples_stays_small) {
    std::string text = "]";  // billion laughs: each level holds the last twice
    for (int i = 0; i < 60; ++i) text += "2\x86";
    text += ".";
    ByteReader in(as_bytes(text));
    EXPECT_TRUE(Document::read(in, {}).ok());
}

// 64 objects for each tensor that is allowed.
Limits few_objects() {
    Limits limits;
    limits.tensors = 1000;
    return limits;
}

TEST(pickle, one_long_list_of_arguments_cannot_be_copied_often) {
    std::string text = "ctorch\nSize\nq\x01(";
    for (int i = 0; i < 1000; ++i) text += "K\x01";
    text += std::string("t\x85q\x02" "0", 5);
    for (int i = 0; i < 100; ++i) text += "h\x01h\x02R0";
    EXPECT_EQ(show(text + "N.", few_objects()), "error: a pickle of more than 64000 objects");
}

TEST(pickle, a_stack_that_only_grows_is_refused_before_it_takes_gigabytes) {
    EXPECT_EQ(show(std::string(70000, 'N') + ".", few_objects()), "error: a pickle whose stack holds more than 64000 objects");
    EXPECT_EQ(show(std::string(70000, '(') + ".", few_objects()), "error: a pickle whose stack holds more than 64000 objects");
}

TEST(pickle, a_list_of_millions_is_refused_however_it_is_built) {
    std::string appended = "]", grouped = "](";
    for (int i = 0; i < 70000; ++i) appended += "Na";
    for (int i = 0; i < 40000; ++i) grouped += "N";
    EXPECT_EQ(show(appended + ".", few_objects()), "error: a pickle of more than 64000 objects");
    EXPECT_EQ(show(grouped + "e(" + std::string(40000, 'N') + "e.", few_objects()), "error: a pickle of more than 64000 objects");
}

TEST(pickle, a_pickle_longer_than_its_limit_is_refused) {
    Limits limits;
    limits.header_bytes = 100;
    EXPECT_EQ(show(std::string(60, 'N') + std::string(60, '0') + "N.", limits), "error: a pickle of more than 100 bytes");
}

TEST(pickle, every_opcode_refuses_an_empty_stack) {
    for (const char op : std::string("012Rabcdegilopstu\x81\x85\x86\x87\x90\x91\x93\x94qr.Q"))
        EXPECT_NE(show(std::string(1, op) + std::string(8, '\n') + "N.").find("error: "), std::string::npos) << op;
}

TEST(pickle, what_is_below_a_mark_is_out_of_reach) {
    EXPECT_EQ(show("](Na."), "error: damaged pickle at byte 4: the stack is empty");
    EXPECT_EQ(show("N(.").substr(0, 6), "error:");
}

TEST(pickle, containers_refuse_what_does_not_belong) {
    EXPECT_NE(show("K\x01Na.").find("an item appended to an integer"), std::string::npos);
    EXPECT_NE(show("K\x01(NNu.").find("items set on an integer"), std::string::npos);
    EXPECT_NE(show("}(Nu.").find("a key without a value"), std::string::npos);
    EXPECT_NE(show("K\x01)R.").find("a call of an integer"), std::string::npos);
    EXPECT_NE(show("ctorch\nSize\nK\x01R.").find("arguments that are not a tuple"), std::string::npos);
    EXPECT_NE(show("]Nb.").find("a state set on a list"), std::string::npos);
    EXPECT_NE(show("h\x05.").find("memo 5 was never stored"), std::string::npos);
    EXPECT_NE(show("\xff.").find("unknown opcode 255"), std::string::npos);
    EXPECT_NE(show("\x80\x06N.").find("pickle protocol 6; 0 to 5 are read"), std::string::npos);
    EXPECT_NE(show("Ix\n.").find("not a number"), std::string::npos);
    EXPECT_NE(show("Sx\n.").find("without quotes"), std::string::npos);
    EXPECT_NE(show("S'\\x4'\n.").find("broken escape"), std::string::npos);
}

TEST(pickle, a_class_or_function_that_nobody_calls_is_its_name) {
    EXPECT_EQ(show("cos\nsystem\n."), "<os.system>");
    EXPECT_EQ(show("}ca.b\nModelCheckpoint\nK\x01s."), "{<a.b.ModelCheckpoint>: 1}");
}

TEST(pickle, an_instance_of_an_unknown_class_is_its_attributes) {
    const std::string state = "}(" + p_text("a") + p_int(1) + p_text("b") + "]u";
    EXPECT_EQ(show("cmy.net\nNet\n)\x81" + state + "b."), "my.net.Net( 'a'=1 'b'=[])");
    EXPECT_EQ(show("cmy.net\nNet\n)}\x92" + state + "b."), "my.net.Net( 'a'=1 'b'=[])");
    EXPECT_EQ(show("ccopy_reg\n_reconstructor\n(cmy.net\nNet\nc__builtin__\nobject\nNtR" + state + "b."), "my.net.Net( 'a'=1 'b'=[])");
    EXPECT_EQ(show("cmy\nSlots\n)\x81N" + state + "\x86" "b."), "my.Slots( 'a'=1 'b'=[])") << "a tuple of two states";
    EXPECT_EQ(show("cmy\nDict\n)\x81(" + p_text("k") + p_int(2) + "u."), "my.Dict( 'k'=2)");
    EXPECT_EQ(show("cmy\nList\n)\x81(" + p_int(2) + "e."), "my.List(2)");
    EXPECT_EQ(show("cmy\nPair\n(" + p_int(1) + p_int(2) + "t\x81."), "my.Pair(1, 2)");
    EXPECT_EQ(show("(" + p_text("module") + "cmy\nNet\n" + p_text("net.py") + p_text("source") + "tQ)\x81" + state + "b."), "my.Net( 'a'=1 'b'=[])")
        << "older files store a class with its source";
}

TEST(pickle, plain_data_of_python_and_numpy_is_read_past) {
    EXPECT_EQ(show("ccollections\ndefaultdict\n(cmy\nfactory\ntR(" + p_text("k") + p_int(1) + "u."), "{'k': 1}");
    EXPECT_EQ(show("ccollections\nCounter\n(}(" + p_text("k") + p_int(3) + "utR."), "{'k': 3}");
    EXPECT_EQ(show("cbuiltins\nset\n(](" + p_int(1) + p_int(2) + "etR."), "{1, 2}");
    EXPECT_EQ(show("c__builtin__\nset\n(]tR."), "{}");
    EXPECT_EQ(show("ccollections\ndeque\n()K\x05tR(" + p_int(1) + "e."), "[1]");
    EXPECT_EQ(show("cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(" + p_text("f8") + "\x89\x88tR(K\x03" + p_text("<") +
                   "NNNtbc_codecs\nencode\n(" + p_text("x") + p_text("latin1") + "tRtR."),
              "call(call('f8', False, True), call('x', 'latin1'))");
    EXPECT_EQ(show("ctorch.jit._pickle\nbuild_intlist\n](" + p_int(3) + "e\x85R."), "[3]");
    EXPECT_EQ(show("cfunctools\npartial\n(cos\nsystem\ntR(cos\nsystem\n)}Ntb."), "call(<os.system>)") << "nothing is called";
}

TEST(pickle, an_attribute_of_a_class_is_one_more_name) {
    const std::string of_class = "c__builtin__\ngetattr\n(ctorch._C\n_VariableFunctionsClass\n" +
                                 p_text("repeat_interleave") + "tR";
    EXPECT_EQ(show(of_class + "."), "<torch._C._VariableFunctionsClass.repeat_interleave>");
    EXPECT_EQ(show("cfunctools\npartial\n(" + of_class + "tR(" + of_class + ")}Ntb."),
              "call(<torch._C._VariableFunctionsClass.repeat_interleave>)");
    EXPECT_EQ(show("cbuiltins\ngetattr\n(cmy.net\nNet\n)\x81" + p_text("forward") + "tR."), "<my.net.Net.forward>")
        << "of an object";
    EXPECT_EQ(show("cbuiltins\ngetattr\n(ctorch._utils\n_x\n" + p_text("_rebuild_tensor_v2") + "tR."),
              "<torch._utils._x._rebuild_tensor_v2>");
    EXPECT_EQ(show("cbuiltins\ngetattr\n(ctorch\n_utils\n" + p_text("_rebuild_tensor_v2") + "tR."),
              "<torch._utils._rebuild_tensor_v2>")
        << "a name, and not what is known by it";
    EXPECT_NE(show("cbuiltins\ngetattr\n(cos\npath\n" + p_text(std::string(2000, 'a')) + "tR.").find("2007 bytes"),
              std::string::npos);
}

TEST(pickle, ranges_and_random_generators_are_read_past) {
    EXPECT_EQ(show("c__builtin__\nxrange\n(K\x01K\x03K\x01tR."), "call(1, 3, 1)");
    EXPECT_EQ(show("cbuiltins\nrange\n(K\x01K\x03K\x01tR."), "call(1, 3, 1)");
    EXPECT_EQ(show("cnumpy.random._pickle\n__generator_ctor\n(cnumpy.random._pickle\n__bit_generator_ctor\n("
                   "cnumpy.random._pcg64\nPCG64\ntR}" +
                   p_text("state") + "K\x05sbtR."),
              "call(call(<numpy.random._pcg64.PCG64>))");
}

TEST(pickle, a_long_name_cannot_be_repeated_by_the_memo) {
    EXPECT_NE(show(p_text(std::string(5000, 'a')) + "q\x01" "0h\x01h\x01\x93.").find("a global whose name has 10000 bytes"), std::string::npos);
}

TEST(pickle, an_object_that_is_its_own_attribute_ends_at_the_nesting_limit) {
    std::string text = "cmy\nNet\n)\x81q\x01";
    for (int i = 0; i < 70; ++i) text += "}(" + p_text("a") + "h\x01ub";
    EXPECT_EQ(show(text + "."), "error: objects nested more than 64 deep");
}

struct Attack {
    const char* name;
    std::string text;
    const char* global;
};
void PrintTo(const Attack& attack, std::ostream* out) { *out << attack.name; }
class pickle_attack : public ::testing::TestWithParam<Attack> {};
TEST_P(pickle_attack, is_refused_by_name) {
    EXPECT_EQ(show(GetParam().text), std::string("error: the file wants to run ") + GetParam().global + "; refused");
}
INSTANTIATE_TEST_SUITE_P(all, pickle_attack, ::testing::Values(
    Attack{"reduce", "cos\nsystem\n(S'true'\ntR.", "os.system"},
    Attack{"posix", "cposix\nsystem\n(S'true'\ntR.", "posix.system"},
    Attack{"stack_global", p_text("builtins") + p_text("exec") + "\x93)R.", "builtins.exec"},
    Attack{"stack_global_through_the_memo", p_text("subprocess") + "q\x01" "0h\x01" + p_text("Popen") + "\x93)R.", "subprocess.Popen"},
    Attack{"inst", "(S'true'\nios\nsystem\n.", "os.system"},
    Attack{"obj", "(cos\nsystem\nS'true'\no.", "os.system"},
    Attack{"newobj", "cbuiltins\ngetattr\n)\x81.", "builtins.getattr"},
    Attack{"an_attribute_that_is_called",
           "cbuiltins\ngetattr\n(ctorch._C\n_VariableFunctionsClass\n" + p_text("from_file") + "tR(S'x'\ntR.",
           "torch._C._VariableFunctionsClass.from_file"},
    Attack{"an_attribute_of_a_module", "cbuiltins\ngetattr\n(cos\nsys\n" + p_text("exit") + "tR)R.", "os.sys.exit"},
    Attack{"an_attribute_of_a_builtin",
           "cbuiltins\ngetattr\n(cbuiltins\nobject.__class__\n" + p_text("eval") + "tR)\x81.",
           "builtins.object.__class__.eval"},
    Attack{"an_attribute_of_an_object",
           "cbuiltins\ngetattr\n(cos\npopen\n)\x81" + p_text("read") + "tR)R.", "os.popen.read"},
    Attack{"an_attribute_of_an_attribute",
           "cbuiltins\ngetattr\n(cbuiltins\ngetattr\n(cos\npath\n" + p_text("os") + "tR" + p_text("system") +
               "tR(S'true'\ntR.",
           "os.path.os.system"},
    Attack{"an_attribute_known_by_that_name",
           "cbuiltins\ngetattr\n(ccollections\nabc\n" + p_text("OrderedDict") + "tR)R.",
           "collections.abc.OrderedDict"},
    Attack{"a_name_put_together",
           "cbuiltins\ngetattr\n(ctorch\n_utils\n" + p_text("_rebuild_tensor_v2") + "tR)R.",
           "torch._utils._rebuild_tensor_v2"},
    Attack{"an_attribute_of_what_is_known",
           "cbuiltins\ngetattr\n(ccollections\nOrderedDict\n" + p_text("__init__") + "tR.", "builtins.getattr"},
    Attack{"an_attribute_of_data", "cbuiltins\ngetattr\n(}" + p_text("get") + "tR.", "builtins.getattr"},
    Attack{"an_attribute_with_a_default", "cbuiltins\ngetattr\n(cos\npath\n" + p_text("x") + "NtR.",
           "builtins.getattr"},
    Attack{"getattr_by_inst", "(cos\npath\n" + p_text("os") + "ibuiltins\ngetattr\n" + ")R.", "os.path.os"},
    Attack{"getattr_by_obj", "(cbuiltins\ngetattr\ncos\npath\n" + p_text("os") + "o)R.", "os.path.os"},
    Attack{"getattr_in_a_reconstructor",
           "ccopyreg\n_reconstructor\n(cbuiltins\ngetattr\ncbuiltins\nobject\nNtR.", "builtins.getattr"},
    Attack{"torch_load", "ctorch\nload\n(S'x'\ntR.", "torch.load"},
    Attack{"torch_hub", "ctorch.hub\nload_state_dict_from_url\n)R.", "torch.hub.load_state_dict_from_url"},
    Attack{"known_name_in_another_module", "cevil\nOrderedDict\n)R.", "evil.OrderedDict"},
    Attack{"dotted_name", "ctorch._utils\n_rebuild_tensor_v2.__globals__\n)R.", "torch._utils._rebuild_tensor_v2.__globals__"},
    Attack{"a_class_that_is_called", "cpathlib2\nPath\n)R.", "pathlib2.Path"},
    Attack{"inside_a_reconstructor", "ccopyreg\n_reconstructor\n(cbuiltins\neval\ncbuiltins\nobject\nNtR.", "builtins.eval"},
    Attack{"python_2", "c__builtin__\neval\n(S'1'\ntR.", "builtins.eval"},
    Attack{"from_the_memo_of_another_place", "cos\nsystem\nq\x01" "0}h\x01(S'true'\ntRs.", "os.system"},
    Attack{"storage_loader", "ctorch.storage\n_load_from_bytes\n)R.", "torch.storage._load_from_bytes"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(pickle, extension_codes_and_out_of_band_buffers_are_refused) {
    for (const char* text : {"\x82\x01.", "\x83\x01\x01.", "\x84\x01\x01\x01\x01.", "\x97.", "\x98."})
        EXPECT_NE(show(text).find("unknown opcode"), std::string::npos);
}

}  // namespace
}  // namespace enlarge::pickle
