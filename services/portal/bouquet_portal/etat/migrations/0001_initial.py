"""Table of the states of APIs."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ObservedState",
            fields=[
                ("name", models.CharField(max_length=200, primary_key=True, serialize=False)),
                ("state", models.CharField(max_length=20)),
                ("since", models.DateTimeField()),
                ("read_at", models.DateTimeField()),
                ("last_ok", models.DateTimeField(null=True)),
                ("until", models.DateTimeField(null=True)),
            ],
        ),
    ]
