"""The stack of state: facts and index."""


def data_bucket(assembly, of_kind) -> dict:
    buckets = of_kind(assembly.state, "AWS::S3::Bucket").values()
    return next(bucket for bucket in buckets if "VersioningConfiguration" in bucket)


def test_the_data_bucket_keeps_versions_tells_of_uploads_and_is_closed_to_the_public(any_stage, of_kind) -> None:
    bucket = data_bucket(any_stage, of_kind)
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    for each in of_kind(any_stage.state, "AWS::S3::Bucket").values():
        assert set(each["PublicAccessBlockConfiguration"].values()) == {True}


def test_only_uploads_and_what_was_refused_expire(any_stage, of_kind) -> None:
    rules = data_bucket(any_stage, of_kind)["LifecycleConfiguration"]["Rules"]
    expiring = {rule["Prefix"] for rule in rules if "ExpirationInDays" in rule}
    assert expiring == {"incoming/", "incoming-outcomes/", "unscored/", "quarantine/"}
    assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)


def test_plain_http_is_refused_except_on_the_embedded_cloud(assembly, of_kind) -> None:
    for stage, refused in (("local", 0), ("dev", 2), ("prod", 2)):
        policies = of_kind(assembly(stage).state, "AWS::S3::BucketPolicy").values()
        denials = [
            statement
            for policy in policies
            for statement in policy["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny"
        ]
        assert [denial["Condition"] for denial in denials] == [
            {"Bool": {"aws:SecureTransport": "false"}}
        ] * refused


def test_the_table_is_billed_by_request_and_its_rows_can_expire(any_stage, of_kind) -> None:
    (table,) = of_kind(any_stage.state, "AWS::DynamoDB::Table").values()
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]] == [
        ("pk", "HASH"),
        ("sk", "RANGE"),
    ]


def test_prod_keeps_its_state_and_can_recover_its_table(assembly, of_kind) -> None:
    kept = {"prod": ("Retain", True), "dev": ("Delete", False), "local": ("Delete", False)}
    for stage, (policy, recovery) in kept.items():
        template = assembly(stage).state
        held = [
            r for r in template["Resources"].values() if r["Type"] in ("AWS::S3::Bucket", "AWS::DynamoDB::Table")
        ]
        assert {resource["DeletionPolicy"] for resource in held} == {policy}
        (table,) = of_kind(template, "AWS::DynamoDB::Table").values()
        assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is recovery
