//! RFC 6902.

use serde_json::Value;

/// What is wrong with a patch.
#[derive(Debug, PartialEq, Eq)]
pub enum PatchError {
    /// It is no patch.
    Malformed(String),
    /// It doesn't fit the object.
    Failed(String),
    /// What it tests isn't so.
    Untrue(String),
}

/// Applies the operations, all or none.
///
/// # Errors
/// One of them can't be read, or doesn't fit.
pub fn json_patch(target: &Value, operations: &Value) -> Result<Value, PatchError> {
    let Some(operations) = operations.as_array() else {
        return Err(PatchError::Malformed("json: cannot unmarshal object into Go value of type jsonpatch.Patch".to_owned()));
    };
    let mut value = target.clone();
    for operation in operations {
        one(&mut value, operation)?;
    }
    Ok(value)
}

fn one(root: &mut Value, operation: &Value) -> Result<(), PatchError> {
    let name = operation["op"].as_str().unwrap_or_default();
    let path = pointer(operation, "path")?;
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    match name {
        "add" => add(root, &path, value()),
        "remove" => take(root, &path).map(drop),
        "replace" => {
            if path.is_empty() {
                *root = value();
                return Ok(());
            }
            // As the server does it: what an object doesn't have yet is put there.
            if let Some((last, above)) = path.split_last()
                && let Ok(Value::Object(map)) = find_mut(root, above)
            {
                map.insert(last.clone(), value());
                return Ok(());
            }
            *find_mut(root, &path)? = value();
            Ok(())
        }
        "move" => {
            let from = pointer(operation, "from")?;
            let moved = take(root, &from)?;
            add(root, &path, moved)
        }
        "copy" => {
            let from = pointer(operation, "from")?;
            let copied = find(root, &from)?.clone();
            add(root, &path, copied)
        }
        "test" => {
            let found = find(root, &path).ok().filter(|found| !found.is_null());
            let wanted = value();
            let same = found.map_or(wanted.is_null(), |found| *found == wanted);
            if same { Ok(()) } else { Err(PatchError::Untrue(format!("testing value {} failed", shown(&path)))) }
        }
        other => Err(failed(format!("Unexpected kind: {other}"))),
    }
}

fn failed(message: String) -> PatchError {
    PatchError::Failed(message)
}

fn shown(path: &[String]) -> String {
    format!("/{}", path.join("/"))
}

fn pointer(operation: &Value, field: &str) -> Result<Vec<String>, PatchError> {
    let text = operation[field].as_str().ok_or_else(|| failed(format!("missing field: {field}")))?;
    Ok(text.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect())
}

fn missing(path: &[String]) -> PatchError {
    failed(format!("operation does not apply: doc is missing path: {}", shown(path)))
}

fn find<'v>(root: &'v Value, path: &[String]) -> Result<&'v Value, PatchError> {
    path.iter()
        .try_fold(root, |at, part| match at {
            Value::Object(map) => map.get(part),
            Value::Array(list) => list.get(part.parse::<usize>().ok()?),
            _ => None,
        })
        .ok_or_else(|| missing(path))
}

fn find_mut<'v>(root: &'v mut Value, path: &[String]) -> Result<&'v mut Value, PatchError> {
    path.iter()
        .try_fold(root, |at, part| match at {
            Value::Object(map) => map.get_mut(part),
            Value::Array(list) => list.get_mut(part.parse::<usize>().ok()?),
            _ => None,
        })
        .ok_or_else(|| missing(path))
}

fn add(root: &mut Value, path: &[String], value: Value) -> Result<(), PatchError> {
    let Some((last, above)) = path.split_last() else {
        *root = value;
        return Ok(());
    };
    match find_mut(root, above).map_err(|_| missing(path))? {
        Value::Object(map) => {
            map.insert(last.clone(), value);
            Ok(())
        }
        Value::Array(list) if last == "-" => {
            list.push(value);
            Ok(())
        }
        Value::Array(list) => match last.parse::<usize>() {
            Ok(index) if index <= list.len() => {
                list.insert(index, value);
                Ok(())
            }
            _ => Err(failed(format!("add operation does not apply: doc is missing path: \"{}\": invalid index referenced", shown(path)))),
        },
        _ => Err(missing(path)),
    }
}

fn take(root: &mut Value, path: &[String]) -> Result<Value, PatchError> {
    let Some((last, above)) = path.split_last() else { return Err(missing(path)) };
    let gone = match find_mut(root, above)? {
        Value::Object(map) => map.remove(last),
        Value::Array(list) => last.parse::<usize>().ok().filter(|index| *index < list.len()).map(|index| list.remove(index)),
        _ => None,
    };
    gone.ok_or_else(|| {
        failed(format!("error in remove for path: '{}': Unable to remove nonexistent key: {last}: missing value", shown(path)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operations_do_what_the_rfc_says() {
        let object = json!({"a": {"b": [1, 2]}, "c/d": "x"});
        let patched = json_patch(
            &object,
            &json!([
                {"op": "test", "path": "/c~1d", "value": "x"},
                {"op": "add", "path": "/a/b/1", "value": 9},
                {"op": "add", "path": "/a/b/-", "value": 8},
                {"op": "remove", "path": "/a/b/0"},
                {"op": "copy", "from": "/a/b", "path": "/e"},
                {"op": "move", "from": "/c~1d", "path": "/f"},
                {"op": "replace", "path": "/a/b", "value": null}
            ]),
        );
        assert_eq!(patched.unwrap(), json!({"a": {"b": null}, "e": [9, 2, 8], "f": "x"}));
        for bad in [
            json!([{"op": "test", "path": "/a", "value": 1}]),
            json!([{"op": "remove", "path": "/x"}]),
            json!([{"op": "add", "path": "/x/y", "value": 1}]),
            json!([{"op": "add", "path": "/a/b/5", "value": 1}]),
            json!([{"op": "dance", "path": "/a"}]),
        ] {
            assert!(matches!(json_patch(&object, &bad), Err(PatchError::Failed(_) | PatchError::Untrue(_))), "{bad}");
        }
        assert!(matches!(json_patch(&object, &json!({})), Err(PatchError::Malformed(_))));
    }
}
