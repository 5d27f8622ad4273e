#include "label_selector.hpp"

#include "names.hpp"

namespace margay::model {
namespace {

enum class Operator : std::uint8_t { In, NotIn, Exists, DoesNotExist };
constexpr Choice<Operator> kOperators[] = {
    {"In", Operator::In}, {"NotIn", Operator::NotIn}, {"Exists", Operator::Exists}, {"DoesNotExist", Operator::DoesNotExist}};

// Label keys and values, once checked, hold no quote: they can stand in the text as they are.
class Writer {
 public:
  explicit Writer(std::string_view prefix) : prefix_{prefix} {}

  void match_label(Field where, std::string_view key, std::string_view value) {
    check_key(where, key);
    check_value(where, value);
    begin_term();
    label(key);
    text_.append(" == '").append(value).append("'");
  }

  void match_expression(Field expression) {
    const Field key_field = expression["key"];
    const Field values = expression["values"];
    const auto key = key_field.require().text();
    const auto op = expression["operator"].require().choice(kOperators);
    if (!key || key->empty() || !op) {
      good_ = false;
      for (const Field item : values.items()) (void)item.text();
      return;
    }
    check_key(key_field, *key);
    begin_term();
    const bool takes_values = *op == Operator::In || *op == Operator::NotIn;
    const auto items = values.items();
    if (takes_values && items.size() == 0) fail(values, "In and NotIn need at least one value");
    if (!takes_values && items.size() > 0) fail(values, "Exists and DoesNotExist take no values");
    if (!takes_values) {
      text_ += *op == Operator::Exists ? "has(" : "!has(";
      label(*key);
      text_ += ')';
      return;
    }
    label(*key);
    text_ += *op == Operator::In ? " in {" : " not in {";
    for (const Field item : items) {
      const auto value = item.text();
      if (!value) good_ = false;
      else {
        check_value(item, *value);
        text_.append("'").append(*value).append("',");
      }
    }
    text_ += '}';
  }

  void fail(Field where, std::string reason) {
    where.error(std::move(reason));
    good_ = false;
  }
  void fail() { good_ = false; }

  std::optional<std::string> take() && { return good_ ? std::optional{std::move(text_)} : std::nullopt; }

 private:
  void check_key(Field where, std::string_view key) {
    if (!is_qualified_name(key)) fail(where, shown(key) + " is not a label's name");
  }
  void check_value(Field where, std::string_view value) {
    if (!is_label_value(value)) fail(where, shown(value) + " is not a label's value");
  }
  void begin_term() {
    if (!text_.empty()) text_ += " && ";
  }
  void label(std::string_view key) { text_.append(prefix_).append(key); }

  std::string_view prefix_;
  std::string text_;
  bool good_ = true;
};

}  // namespace

std::optional<std::string> decode_label_selector(Field selector, std::string_view prefix) {
  Writer writer{prefix};
  if (selector.present() && !selector.is_object()) {
    (void)selector["matchLabels"];  // records the wrong type
    writer.fail();
  }
  const Field labels = selector["matchLabels"];
  if (labels.present() && !labels.is_object()) writer.fail();
  labels.entries([&](std::string_view key, Field value) {
    if (!value.present()) return writer.match_label(labels, key, {});
    if (const auto text = value.text()) writer.match_label(value, key, *text);
    else writer.fail();
  });
  const Field expressions = selector["matchExpressions"];
  if (expressions.present() && !expressions.is_list()) writer.fail();
  for (const Field item : expressions.items()) writer.match_expression(item);
  return std::move(writer).take();
}

}  // namespace margay::model
